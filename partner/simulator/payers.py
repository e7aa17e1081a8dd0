"""The payer's side: paying an order, from the cashier page or by a test's word.

Nothing here speaks HTTP. A payment moves the order, and in the same commit puts the notification
into the outbox, so that neither is ever seen without the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from partner.simulator.clock import MovableClock
from partner.simulator.ledger import Ledger, Order, Payment
from partner.simulator.notifier import Notifier
from partner.simulator.orders import present
from partner.simulator.people import People
from partner.simulator.storage import Storage

STATE_REASONS = {
    "SUCCESS": "the order is already paid",
    "REFUND": "the order is already paid, and refunds were made",
    "CLOSED": "the order is closed",
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
        if order.trade_state != "NOTPAY":
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

    def _settle(self, order: Order, paid: Payment) -> Order:
        with self.storage.transaction():
            settled = self.ledger.mark_paid(order, paid)
            if settled is None:
                raise CannotPay("the order was paid or closed at this very moment")
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
        if openid is not None and named and openid not in named:
            raise CannotPay("the order was placed for another openid")
        if order.sp_openid and (order.sub_openid or not order.sub_appid):
            return order.sp_openid, order.sub_openid
        known = order.sp_openid or order.sub_openid or openid
        known = known or self.people.openid(order.sp_appid, "payer")
        sp_openid = order.sp_openid or self.people.same_person(known, order.sp_appid)
        if not order.sub_appid:
            return sp_openid, None
        return sp_openid, order.sub_openid or self.people.same_person(known, order.sub_appid)


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
