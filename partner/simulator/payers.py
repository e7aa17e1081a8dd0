"""The payer's side: paying an order, from the cashier page or by a test's word.

Nothing here speaks HTTP. A payment moves the order, and in the same commit puts the notification
into the outbox, so that neither is ever seen without the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from partner.simulator.clock import MovableClock
from partner.simulator.ledger import Ledger, Order, Payment
from partner.simulator.notifier import Notifier
from partner.simulator.orders import present
from partner.simulator.people import DEFAULT_PERSON, People
from partner.simulator.storage import Storage

UNPAID_STATES: Final = ("NOTPAY", "USERPAYING")
STATE_REASONS = {
    "SUCCESS": "the order is already paid",
    "REFUND": "the order is already paid, and refunds were made",
    "CLOSED": "the order is closed",
    "PAYERROR": "the payment failed; that is final for a payment code",
    "REVOKED": "the order was reversed",
}
STRANGER_TEXTS: Final = {
    "JSAPI": "下单账号与支付账号不一致",
    "APP": "下单账号与支付账号不一致",
    "NATIVE": "商家订单信息有误，请重新下单支付",
    "MWEB": "签名验证失败",
    "MICROPAY": "这笔订单不是你的",
}


class CannotPay(Exception):
    """The payer gets nowhere; `reason` says why, for a person."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Payers:
    """Everyone who pays."""

    storage: Storage
    ledger: Ledger
    people: People
    notifier: Notifier
    clock: MovableClock

    def pay(
        self,
        order: Order,
        *,
        openid: str | None = None,
        at: datetime | None = None,
        coupon_fen: int = 0,
        coupon_type: str = "NOCASH",
        bank_type: str = "OTHERS",
    ) -> Order:
        """Pay the order now (or as of `at`); CannotPay when it is paid, closed, expired or not
        theirs."""
        moment = self.clock.timestamp() if at is None else at.timestamp()
        order = self.ledger.settle_overdue(order, self.clock.timestamp())
        if order.trade_state not in UNPAID_STATES:
            raise CannotPay(STATE_REASONS[order.trade_state])
        if moment >= order.expires_at:
            raise CannotPay("the order's time_expire has passed")
        if not 0 <= coupon_fen < order.total:
            raise CannotPay("coupon_fen must be from 0 to less than the order's total")
        sp_openid, sub_openid = self._payer(order, openid)
        paid = Payment(
            success_at=int(moment),
            bank_type=bank_type,
            payer_total=order.total - coupon_fen,
            promotion=_promotion(coupon_fen, coupon_type),
            sp_openid=sp_openid,
            sub_openid=sub_openid,
        )
        return self._settle(order, paid)

    def pay_as(self, order: Order, person: str | None) -> Order:
        """Pay with the phone of `person`; None is nobody in particular."""
        return self.pay(order, openid=None if _named(order) else self._openid(order, person))

    def claim(self, order: Order, person: str) -> None:
        """The first to scan a code or to open an H5 payment is the one who may pay it."""
        if not _named(order):
            self.ledger.claim(order, self._openid(order, person))

    def stranger_text(self, order: Order, person: str | None) -> str | None:
        """What `person` reads when the order is somebody else's; None when it is not.

        An openid that was not handed out here may be anybody's, and a phone that is nobody's in
        particular may be the payer's.
        """
        named = _named(order)
        payer = self.people.person_of(named) if named else None
        if payer is None or person in (None, payer):
            return None
        return STRANGER_TEXTS[order.trade_type]

    def _openid(self, order: Order, person: str | None) -> str:
        return self.people.openid(order.sp_appid, person or DEFAULT_PERSON)

    def _settle(self, order: Order, paid: Payment) -> Order:
        with self.storage.transaction():
            settled = self.ledger.mark_paid(order, paid)
            if settled is None:
                raise CannotPay("the order was paid or closed at this very moment")
            if not settled.notify_url:  # a payment code: the till has its answer already
                return settled
            self.notifier.announce(
                sp_mchid=settled.sp_mchid,
                sub_mchid=settled.sub_mchid,
                out_trade_no=settled.out_trade_no,
                event_type="TRANSACTION.SUCCESS",
                original_type="transaction",
                summary="支付成功",
                notify_url=settled.notify_url,
                content=present(settled),
                wants_public_key=settled.wants_public_key,
            )
        self.notifier.wake()
        return settled

    def _payer(self, order: Order, openid: str | None) -> tuple[str, str | None]:
        """The payer under both appids. Only the person who was named in the order may pay it."""
        named = [one for one in (order.sp_openid, order.sub_openid) if one]
        if openid is not None and named and not self._is_one_of(openid, named):
            raise CannotPay("the order was placed for another openid")
        if order.sp_openid and (order.sub_openid or not order.sub_appid):
            return order.sp_openid, order.sub_openid
        known = order.sp_openid or order.sub_openid or openid
        known = known or self.people.openid(order.sp_appid, DEFAULT_PERSON)
        sp_openid = order.sp_openid or self.people.same_person(known, order.sp_appid)
        if not order.sub_appid:
            return sp_openid, None
        return sp_openid, order.sub_openid or self.people.same_person(known, order.sub_appid)

    def _is_one_of(self, openid: str, named: list[str]) -> bool:
        """Whether it is one of these, or the same person's under another appid."""
        person = self.people.person_of(openid)
        return openid in named or (
            person is not None and person in map(self.people.person_of, named)
        )


def _named(order: Order) -> str | None:
    """The openid the order was placed for or claimed by, if there is one."""
    return order.sp_openid or order.sub_openid


def _promotion(coupon_fen: int, coupon_type: str) -> list[dict[str, Any]]:
    if not coupon_fen:
        return []
    return [
        {
            "coupon_id": "100001",
            "name": "满减立减券",
            "scope": "GLOBAL",
            "type": coupon_type,
            "amount": coupon_fen,
            "stock_id": "900001",
            "wechatpay_contribute": 0,
            "merchant_contribute": coupon_fen,
            "other_contribute": 0,
            "currency": "CNY",
        }
    ]
