"""How one refund divides: what the payer gets, what coupons get, what the fee gives back.

Pure arithmetic in whole fen. Every share is counted up over all refunds of the order so far, so
that an order refunded in many pieces gives back exactly what was paid, to the fen.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, Protocol

from partner.simulator.bill_file import fee_fen
from partner.simulator.ledger import Order

_PROMOTION_TYPES: Final = {"CASH": "COUPON", "NOCASH": "DISCOUNT"}


class Divided(Protocol):
    """A refund that was divided before."""

    @property
    def refund(self) -> int: ...
    @property
    def refund_fee(self) -> int: ...
    @property
    def promotion(self) -> list[dict[str, Any]]: ...


@dataclass(frozen=True)
class Division:
    """One refund's parts, in fen. `promotion` is the refund's `promotion_detail`."""

    payer_total: int
    payer_refund: int
    settlement_total: int
    settlement_refund: int
    refund_fee: int
    promotion: list[dict[str, Any]]


def divide(order: Order, refund_fen: int, before: Collection[Divided], rate_ppm: int) -> Division:
    """Divide a refund of a paid order; `before` are the refunds that count already."""
    coupons: list[dict[str, Any]] = json.loads(order.promotion) if order.promotion else []
    refunded = refund_fen + sum(one.refund for one in before)
    promotion = [_share(one, order.total, refund_fen, before) for one in coupons]
    discount = sum(one["refund_amount"] for one in promotion)
    uncharged = sum(one["refund_amount"] for one in promotion if one["type"] == "DISCOUNT")
    coupon_total = sum(one["amount"] for one in coupons)
    uncharged_total = sum(one["amount"] for one in coupons if one["type"] == "NOCASH")
    settled = order.total - uncharged_total
    whole_fee = fee_fen(settled, rate_ppm)
    fee_by_now = _proportion(whole_fee, refunded, order.total)
    return Division(
        payer_total=order.total - coupon_total,
        payer_refund=refund_fen - discount,
        settlement_total=settled,
        settlement_refund=refund_fen - uncharged,
        refund_fee=max(0, fee_by_now - sum(one.refund_fee for one in before)),
        promotion=[one for one in promotion if one["refund_amount"]],
    )


def _share(
    coupon: dict[str, Any], total: int, refund_fen: int, before: Collection[Divided]
) -> dict[str, Any]:
    """The coupon's part of this refund: rounded up, so that the payer's is rounded down."""
    refunded = refund_fen + sum(one.refund for one in before)
    by_now = -(-coupon["amount"] * refunded // total)
    earlier = sum(
        part["refund_amount"]
        for one in before
        for part in one.promotion
        if part["promotion_id"] == coupon["coupon_id"]
    )
    return {
        "promotion_id": coupon["coupon_id"],
        "scope": coupon["scope"],
        "type": _PROMOTION_TYPES[coupon["type"]],
        "amount": coupon["amount"],
        "refund_amount": min(max(0, by_now - earlier), refund_fen),
    }


def _proportion(whole: int, part: int, of: int) -> int:
    """Half a fen rounded up."""
    return (2 * whole * part + of) // (2 * of)
