"""Apply for a refund, ask for it, apply again for an abnormal one (payments: "Refunds").

Each function either returns the refund to answer with or raises the Refusal WeChat Pay would send.
Checks and the new refund share one transaction, so two applications for the same money have one
winner. HTTP stays in `app.py`, storage in `refund_book.py`.
"""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass
from typing import Any, Final

from partner.simulator import refund_refusals as no
from partner.simulator.balances import Balances
from partner.simulator.clock import MovableClock, rfc3339
from partner.simulator.key_rings import KeyRings
from partner.simulator.ledger import Ledger, Order
from partner.simulator.merchants import DEFAULT_FEE_RATE_PPM, Merchants, Provider, SubMerchant
from partner.simulator.refund_amounts import divide
from partner.simulator.refund_book import (
    ABNORMAL,
    BY_API,
    BY_HAND,
    CLOSED,
    NewRefund,
    Refund,
    RefundBook,
)
from partner.simulator.refund_fields import TO_PAYERS_CARD, read_abnormal, read_application
from partner.simulator.refund_life import HOLD, PAYER_GONE, Outcome, Outcomes
from partner.simulator.refusals import Refusal, invalid_request, no_auth, param_error
from partner.simulator.security import opened_field
from partner.simulator.storage import Storage

MAX_PER_ORDER: Final = 50
APART_S: Final = 60
LATEST_S: Final = 365 * 86400
CHANGE_PURSE: Final = "支付用户零钱"

_CARD_NUMBER: Final = re.compile(r"[0-9]{12,24}")


@dataclass(frozen=True)
class Refunds:
    """The refund desk."""

    storage: Storage
    ledger: Ledger
    book: RefundBook
    merchants: Merchants
    balances: Balances
    outcomes: Outcomes
    rings: KeyRings
    clock: MovableClock

    def apply(self, provider: Provider, raw: bytes, public_key: bool) -> Refund:
        """Accept a refund, or find the one this number already made."""
        body = read_application(raw)
        sub = self._standing(provider, body["sub_mchid"])
        if "REFUND" not in sub.permissions:
            raise no.permission_missing()
        parameters = json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        with self.storage.transaction():
            known = self.book.find(provider.sp_mchid, body["out_refund_no"])
            if known is not None:
                return _unchanged(known, parameters, body)
            order = self._order(provider, body)
            now = self.clock.timestamp()
            earlier = self.book.of_order(order.seq)
            _require_same_order(order, body)
            _require_refundable(order, body["amount"]["refund"], earlier, now)
            if earlier and now < earlier[-1].created_at + APART_S:
                raise no.too_soon()
            outcome = self.outcomes.next(order.sub_mchid)
            if outcome.outcome == PAYER_GONE:
                raise no.payer_account_abnormal()
            details = {
                "out_refund_no": body["out_refund_no"],
                "origin": BY_API,
                "parameters": parameters,
                "reason": body.get("reason"),
                "notify_url": body.get("notify_url"),
                "wants_public_key": public_key,
                "funds_account": body.get("funds_account", "UNSETTLED"),
                "paid_from": json.dumps(body["amount"].get("from", [])),
            }
            return self._accept(order, sub, body["amount"]["refund"], earlier, outcome, details)

    def by_hand(
        self,
        order: Order,
        amount_fen: int,
        *,
        out_refund_no: str | None = None,
        notify_url: str | None = None,
        reason: str | None = None,
    ) -> Refund:
        """Somebody refunds in the merchant platform. Refusal where that would be turned away."""
        provider = self.merchants.find(order.sp_mchid)
        sub = provider.sub_merchants.get(order.sub_mchid) if provider else None
        now = self.clock.timestamp()
        number = out_refund_no or _platforms_number(now)
        details = {
            "out_refund_no": number,
            "origin": BY_HAND,
            "parameters": "",
            "reason": reason,
            "notify_url": notify_url,
            "wants_public_key": order.wants_public_key,
            "funds_account": "AVAILABLE",
            "paid_from": "[]",
        }
        with self.storage.transaction():
            if self.book.find(order.sp_mchid, number) is not None:
                raise no.other_parameters()
            earlier = self.book.of_order(order.seq)
            _require_refundable(order, amount_fen, earlier, now)
            outcome = self.outcomes.next(order.sub_mchid)
            return self._accept(order, sub, amount_fen, earlier, outcome, details)

    def query(self, provider: Provider, out_refund_no: str, query: dict[str, str]) -> Refund:
        """The refund, if it exists and belongs to the sub-merchant in the query."""
        sub_mchid = query.get("sub_mchid")
        if not sub_mchid:
            message = "输入源“/query/sub_mchid”为必填项，不能缺少"
            raise param_error(message, field="sub_mchid", location="query")
        self._standing(provider, sub_mchid)
        found = self.book.find(provider.sp_mchid, out_refund_no)
        if found is None or found.sub_mchid != sub_mchid:
            raise no.refund_unknown()
        return found

    def apply_abnormal(
        self, provider: Provider, refund_id: str, raw: bytes, asked_serial: str | None
    ) -> Refund:
        """Send an abnormal refund's money another way; it is PROCESSING again."""
        body = read_abnormal(raw)
        sub = self._standing(provider, body["sub_mchid"])
        if "REFUND" not in sub.permissions:
            raise no.permission_missing()
        found = self.book.find_id(provider.sp_mchid, refund_id)
        if found is None or found.sub_mchid != sub.sub_mchid:
            raise no.refund_unknown()
        if found.out_refund_no != body["out_refund_no"]:
            raise param_error("退款单号与商户退款单号不匹配", field="/out_refund_no")
        account = self._receiving_account(provider, body, asked_serial)
        outcome = self.outcomes.next(sub.sub_mchid)
        held = outcome.outcome == HOLD
        settles_at = None if held else self.clock.timestamp() + outcome.after_seconds
        reopened = found.status == ABNORMAL and self.book.reopen(
            found,
            channel="OTHER_BANKCARD",
            user_received_account=account,
            outcome="SUCCESS",
            settles_at=settles_at,
        )
        if not reopened:
            raise invalid_request("当前退款状态不允许发起异常退款，仅退款异常的退款单可以发起")
        return reopened

    def _standing(self, provider: Provider, sub_mchid: str) -> SubMerchant:
        if sub_mchid == provider.sp_mchid:
            raise param_error("子商户mchid不能与自身mchid相同", number=268443705)
        sub = provider.sub_merchants.get(sub_mchid)
        if sub is None and not self.merchants.knows_sub_mchid(sub_mchid):
            raise no.merchant_unknown()
        if sub is None or not sub.related:
            raise no_auth("受理关系不存在")
        return sub

    def _order(self, provider: Provider, body: dict[str, Any]) -> Order:
        if "transaction_id" in body:
            found = self.ledger.find_transaction(provider.sp_mchid, body["transaction_id"])
        else:
            found = self.ledger.find(provider.sp_mchid, body["out_trade_no"])
        if found is None or found.sub_mchid != body["sub_mchid"]:
            raise no.order_unknown_or_unpaid()
        if body.get("out_trade_no", found.out_trade_no) != found.out_trade_no:
            raise invalid_request("transaction_id与out_trade_no不是同一笔订单")
        return found

    def _accept(
        self,
        order: Order,
        sub: SubMerchant | None,
        amount_fen: int,
        earlier: list[Refund],
        outcome: Outcome,
        details: dict[str, Any],
    ) -> Refund:
        rate_ppm = sub.fee_rate_ppm if sub else DEFAULT_FEE_RATE_PPM
        division = divide(order, amount_fen, _counting(earlier), rate_ppm)
        if not self.balances.take(order.sub_mchid, division.settlement_refund):
            raise no.not_enough()
        now = self.clock.timestamp()
        accepted = self.book.add(
            NewRefund(
                order_seq=order.seq,
                sp_mchid=order.sp_mchid,
                sub_mchid=order.sub_mchid,
                out_trade_no=order.out_trade_no,
                transaction_id=order.transaction_id or "",
                total=order.total,
                refund=amount_fen,
                payer_total=division.payer_total,
                payer_refund=division.payer_refund,
                settlement_total=division.settlement_total,
                settlement_refund=division.settlement_refund,
                refund_fee=division.refund_fee,
                promotion_detail=json.dumps(division.promotion, ensure_ascii=False),
                channel="ORIGINAL",
                user_received_account=_paying_account(order),
                created_at=now,
                outcome="SUCCESS" if outcome.outcome == PAYER_GONE else outcome.outcome,
                settles_at=outcome.settles_at(now),
                **details,
            )
        )
        if accepted is None:
            raise no.order_unknown_or_unpaid()
        return accepted

    def _receiving_account(
        self, provider: Provider, body: dict[str, Any], asked_serial: str | None
    ) -> str:
        """Where the money goes now. What came sealed must open, and be what it claims."""
        if body["type"] != TO_PAYERS_CARD:
            return "特约商户结算银行卡"
        ring = self.rings.of(provider.sp_mchid)
        number = opened_field(ring, body["bank_account"], asked_serial, "/bank_account")
        name = opened_field(ring, body["real_name"], asked_serial, "/real_name")
        if not _CARD_NUMBER.fullmatch(number):
            raise param_error("银行卡号格式不正确", field="/bank_account")
        if not name.strip():
            raise param_error("收款人姓名不能为空", field="/real_name")
        return f"{body['bank_type'].removesuffix('_DEBIT')}借记卡{number[-4:]}"


def _unchanged(known: Refund, parameters: str, body: dict[str, Any]) -> Refund:
    if known.parameters == parameters:
        return known
    amount = body["amount"]
    if (known.refund, known.total) != (amount["refund"], amount["total"]):
        raise no.other_total()
    raise no.other_parameters()


def _counting(refunds: list[Refund]) -> list[Refund]:
    """Those that hold money of the order: all but the closed ones."""
    return [one for one in refunds if one.status != CLOSED]


def _require_refundable(order: Order, amount_fen: int, earlier: list[Refund], now: float) -> None:
    if not order.is_paid or order.success_at is None:
        raise no.order_unknown_or_unpaid()
    if now > order.success_at + LATEST_S:
        raise no.too_late()
    counting = _counting(earlier)
    if amount_fen + sum(one.refund for one in counting) > order.total:
        raise no.too_much()
    if len(counting) >= MAX_PER_ORDER:
        raise no.too_many()


def _require_same_order(order: Order, body: dict[str, Any]) -> None:
    """What the application says about the order must be true of it."""
    if not order.is_paid:
        raise no.order_unknown_or_unpaid()
    if body["amount"]["total"] != order.total:
        raise no.other_total()
    placed: dict[str, Any] = json.loads(order.parameters)
    if "from" in body["amount"] and not placed.get("settle_info", {}).get("profit_sharing"):
        raise invalid_request("仅分账订单可以指定出资账户及金额")
    if body.get("funds_account") == "UNSETTLED":
        raise invalid_request("UNSETTLED仅适用于出行押金退款")
    _require_ordered_goods(placed, body.get("goods_detail", []))


def _require_ordered_goods(placed: dict[str, Any], goods: list[dict[str, Any]]) -> None:
    ordered = {
        one["merchant_goods_id"]: one["quantity"]
        for one in placed.get("detail", {}).get("goods_detail", [])
    }
    for index, one in enumerate(goods if ordered else []):
        if one["refund_quantity"] > ordered.get(one["merchant_goods_id"], 0):
            raise _goods_not_ordered(index, one)


def _goods_not_ordered(index: int, goods: dict[str, Any]) -> Refusal:
    field = f"/goods_detail/{index}"
    return param_error(
        "退款商品不在订单内，或退款数量大于购买数量", field=field, value=goods["merchant_goods_id"]
    )


def _paying_account(order: Order) -> str:
    bank, _, kind = (order.bank_type or "OTHERS").partition("_")
    return f"{bank}{'信用卡' if kind == 'CREDIT' else '借记卡'}0403" if kind else CHANGE_PURSE


def _platforms_number(now: float) -> str:
    """The merchant platform's own number for a refund made there."""
    moment = rfc3339(now)
    digits = "".join(one for one in moment[:19] if one.isdigit())
    return f"{digits}{secrets.randbelow(10**14):014}"
