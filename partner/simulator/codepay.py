"""Payment codes: what a payer shows at the till, what happens when it is read, and how to undo it.

How a payment ends is decided by the behaviour the payer chose for the code. The answer to the call
is all the news there is: such an order never sends a notification, and cannot be closed, only
reversed.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import Any, Final

from partner.simulator import refusals as no
from partner.simulator.balances import Balances
from partner.simulator.fields import parse_body
from partner.simulator.ledger import NewOrder, Order
from partner.simulator.merchants import Provider
from partner.simulator.order_fields import CODE, REVERSE_BODY
from partner.simulator.orders import Orders, new_order
from partner.simulator.payers import Payers
from partner.simulator.refusals import Refusal
from partner.simulator.storage import Row, Storage

SHOWN_S: Final = 60
CODE_LIFE_S: Final = 120
REVERSIBLE_S: Final = 7 * 86400
PAY: Final = "pay"
ASKS_FIRST: Final = "password"
BANK_ERROR: Final = "bank_error"
BEHAVIOURS: Final = {
    PAY: "直接付款成功",
    ASKS_FIRST: "需要输入支付密码",
    "decline": "交易被拒绝",
    "not_enough": "余额不足",
    "account_error": "账户异常",
    BANK_ERROR: "银行系统异常",
}
_DECLINED: Final = {
    "decline": ("TRADE_ERROR", "交易失败，请确认后重新发起收款"),
    "not_enough": ("NOT_ENOUGH", "用户账户余额不足，请提示用户更换支付方式"),
    "account_error": ("ACCOUNT_ERROR", "用户账户异常，请提示用户更换支付方式"),
}


@dataclass(frozen=True)
class PaymentCodes:
    """Codes on payers' phones. Times are business time: a moved clock lets them run out."""

    storage: Storage

    def make(self, person: str, behaviour: str, now: float) -> str:
        """A fresh code of 18 digits. `behaviour` is one of BEHAVIOURS."""
        auth_code = f"13{secrets.randbelow(10**16):016}"
        self.storage.execute(
            "INSERT INTO payment_codes VALUES (?, ?, ?, ?, NULL)",
            (auth_code, person, behaviour, now),
        )
        return auth_code

    def shown(self, person: str, behaviour: str, now: float) -> str:
        """The code on the person's screen: a new one every minute, and after each payment."""
        row = self.storage.row(
            "SELECT auth_code FROM payment_codes WHERE person = ? AND behaviour = ?"
            " AND order_seq IS NULL AND created_at > ? AND created_at <= ?"
            " ORDER BY created_at DESC LIMIT 1",
            (person, behaviour, now - SHOWN_S, now),
        )
        return str(row["auth_code"]) if row else self.make(person, behaviour, now)

    def orders_of(self, person: str, limit: int) -> list[int]:
        """The last orders the person's codes were read for, newest first."""
        rows = self.storage.rows(
            "SELECT order_seq FROM payment_codes WHERE person = ? AND order_seq IS NOT NULL"
            " ORDER BY order_seq DESC LIMIT ?",
            (person, limit),
        )
        return [row["order_seq"] for row in rows]

    def good(self, auth_code: str, now: float) -> Row:
        """The code, if it can still pay; otherwise what WeChat Pay tells the till."""
        row = self.storage.row("SELECT * FROM payment_codes WHERE auth_code = ?", (auth_code,))
        if row is None:
            field = "/payer/auth_code"
            raise no.param_error("付款码无效，请用户刷新后重试", field=field, value=auth_code)
        if row["order_seq"] is not None:
            raise no.invalid_request("付款码已被使用，请用户刷新后重试")
        if now - row["created_at"] > CODE_LIFE_S:
            raise no.invalid_request("付款码已过期，请用户刷新后重试")
        return row

    def use(self, auth_code: str, order_seq: int) -> None:
        """Spend the code on this order; once only."""
        done = self.storage.execute(
            "UPDATE payment_codes SET order_seq = ? WHERE auth_code = ? AND order_seq IS NULL",
            (order_seq, auth_code),
        )
        if not done:
            raise no.invalid_request("付款码已被使用，请用户刷新后重试")


@dataclass(frozen=True)
class CodePay:
    """The desk for orders by payment code."""

    storage: Storage
    orders: Orders
    payers: Payers
    codes: PaymentCodes
    balances: Balances

    def place(self, provider: Provider, raw: bytes, public_key: bool) -> Order:
        """The order, paid or waiting for a password; Refusal when the payment failed."""
        body = parse_body(raw, CODE.table)
        body.setdefault("sp_appid", provider.sp_appids[0])
        if not body["scene_info"]["store_info"]:
            message = "门店编号id与商家自定义编码out_id至少填写一个"
            raise no.param_error(message, field="/scene_info/store_info", value={})
        self._require_standing(provider, body)
        order = new_order(body, CODE, self.orders.clock.timestamp(), public_key)
        known = self.orders.ledger.find(order.sp_mchid, order.out_trade_no)
        if known is not None:
            return _re_entered(known, order)
        code = self.codes.good(body["payer"]["auth_code"], order.created_at)
        return self._read(self._payers_own(order, code["person"]), code)

    def reverse(self, provider: Provider, out_trade_no: str, raw: bytes) -> dict[str, Any]:
        """Undo it: an unpaid order is closed, a paid one given back in full. Repeating it is
        harmless."""
        body = parse_body(raw, REVERSE_BODY)
        if body["sp_mchid"] != provider.sp_mchid:
            raise no.header_mchid_mismatch()
        now = self.orders.clock.timestamp()
        with self.storage.transaction():
            found = self.orders.ledger.find(provider.sp_mchid, out_trade_no)
            order = self.orders.own_order(provider, found, body["sub_mchid"])
            _require_reversible(order, body, now - order.created_at, provider.reverse_after_s)
            gives_back = self.orders.ledger.mark_revoked(order, int(now)) and order.is_paid
            if gives_back and not self.balances.take(order.sub_mchid, order.settled):
                raise Refusal(403, "NOT_ENOUGH", "商户可用余额不足，请充值后重新撤销")
        return {**body, "out_trade_no": out_trade_no}

    def give_up(self, order: Order) -> bool:
        """The payer turns the password page away; False when nobody is asked for one."""
        return self.orders.ledger.move(order, "USERPAYING", "PAYERROR")

    def _require_standing(self, provider: Provider, body: dict[str, Any]) -> None:
        if body["sp_mchid"] != provider.sp_mchid:
            raise no.header_mchid_mismatch()
        if not provider.codepay_enabled:
            raise no.no_auth("商户号未开通付款码支付产品权限")
        self.orders.require_standing(provider, CODE, body)

    def _payers_own(self, order: NewOrder, person: str) -> NewOrder:
        people = self.orders.people
        sub_openid = people.openid(order.sub_appid, person) if order.sub_appid else None
        return replace(
            order, sp_openid=people.openid(order.sp_appid, person), sub_openid=sub_openid
        )

    def _read(self, order: NewOrder, code: Row) -> Order:
        """The scanner has read the code: order, code and payment are one commit."""
        ledger, behaviour = self.orders.ledger, code["behaviour"]
        with self.storage.transaction():
            is_new = ledger.add(order)
            placed = ledger.find(order.sp_mchid, order.out_trade_no)
            assert placed is not None, "it was just written, or was there before"
            if not is_new:
                return _re_entered(placed, order)
            self.codes.use(code["auth_code"], placed.seq)
            if behaviour == PAY:
                return self.payers.pay(placed)
            if behaviour == ASKS_FIRST:
                ledger.move(placed, "NOTPAY", "USERPAYING")
            elif behaviour in _DECLINED:
                ledger.move(placed, "NOTPAY", "PAYERROR")
        return _ended(ledger.find(order.sp_mchid, order.out_trade_no) or placed, behaviour)


def _ended(order: Order, behaviour: str) -> Order:
    """Tell the till how it went."""
    if behaviour in _DECLINED:
        raise Refusal(403, *_DECLINED[behaviour])
    if behaviour == BANK_ERROR:
        raise _bank_error()
    return order


def _re_entered(known: Order, asked: NewOrder) -> Order:
    """The number is taken: the same call again continues it, where there is something left."""
    if known.is_paid:
        raise no.order_paid()
    if known.parameters != asked.parameters:
        raise no.number_used()
    if known.trade_state == "USERPAYING":
        return known
    if known.trade_state == "NOTPAY":
        raise _bank_error()
    if known.trade_state == "PAYERROR":
        raise Refusal(403, "TRADE_ERROR", "该订单支付失败，请更换商户订单号重新发起收款")
    raise no.order_closed()


def _require_reversible(order: Order, body: dict[str, Any], age_s: float, from_s: int) -> None:
    if order.product != CODE.name:
        raise no.invalid_request("只有付款码支付订单可以撤销，其他订单请关单或申请退款")
    own = {"sp_appid": order.sp_appid, "sub_appid": order.sub_appid}
    if any(body.get(name, appid) != appid for name, appid in own.items()):
        raise no.appid_mismatch("appid与下单时不一致")
    if age_s < from_s:
        raise no.invalid_request(f"支付发起{from_s}秒后才能撤销，请稍后再试")
    if age_s > REVERSIBLE_S:
        raise no.invalid_request("订单已超过7天，不能撤销，请申请退款")
    if order.trade_state == "REFUND":
        raise no.invalid_request("订单已发生退款，不能撤销")


def _bank_error() -> Refusal:
    return Refusal(500, "BANK_ERROR", "银行系统异常，请查询订单后再决定是否撤销")
