"""The refund levers of `/_simulator/…`: what becomes of refunds, and refunds made by hand.

For tests and scripts, as `control.py`, to whose blueprint they belong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from flask import Blueprint, Response, jsonify

from partner.simulator.calls import BadCall, find_order, read_payload
from partner.simulator.refund_book import MOVES, PROCESSING, Refund
from partner.simulator.refund_fields import OUT_REFUND_NO
from partner.simulator.refund_life import OUTCOMES, CannotSettle
from partner.simulator.refusals import Refusal

if TYPE_CHECKING:
    from partner.simulator.world import World


def refund_levers(blueprint: Blueprint, world: World) -> None:
    """Add the levers to the control paths."""
    _outcomes(blueprint, world)
    _limit(blueprint, world)
    blueprint.add_url_rule(
        "/refunds/<out_refund_no>/settle", "settle_refund", _settle(world), methods=["POST"]
    )
    blueprint.add_url_rule(
        "/orders/<out_trade_no>/refund", "refund_by_hand", _by_hand(world), methods=["POST"]
    )


def _outcomes(blueprint: Blueprint, world: World) -> None:
    @blueprint.get("/refund-outcome")
    def outcome() -> Response:
        return jsonify(world.refund_outcomes.as_dict())

    @blueprint.post("/refund-outcome")
    def set_outcome() -> Response:
        asked = read_payload({"outcome", "sub_mchid", "after_seconds"})
        if asked.get("outcome") not in (None, *OUTCOMES) or "outcome" not in asked:
            raise BadCall(400, f"outcome: one of {', '.join(OUTCOMES)}, or null for the usual one")
        after_s = asked.get("after_seconds", 0)
        if isinstance(after_s, bool) or not isinstance(after_s, int | float) or after_s < 0:
            raise BadCall(400, "after_seconds: a number from 0")
        sub_mchid = asked.get("sub_mchid")
        if sub_mchid is not None and not world.merchants.knows_sub_mchid(str(sub_mchid)):
            raise BadCall(404, f"no sub-merchant has the number {sub_mchid}")
        world.refund_outcomes.set(asked["outcome"], sub_mchid, float(after_s))
        return jsonify(world.refund_outcomes.as_dict())


def _settle(world: World) -> Callable[[str], Response]:
    def settle(out_refund_no: str) -> Response:
        asked = read_payload({"status", "sp_mchid"})
        status = asked.get("status", "SUCCESS")
        if status not in MOVES[PROCESSING]:
            raise BadCall(400, f"status: one of {', '.join(MOVES[PROCESSING])}")
        refund = _find_refund(world, out_refund_no, asked.get("sp_mchid"))
        try:
            return jsonify(world.refund_life.settle(refund, status).as_truth())
        except CannotSettle as problem:
            raise BadCall(409, str(problem), status_now=refund.status) from None

    return settle


def _by_hand(world: World) -> Callable[[str], Response]:
    def refund_by_hand(out_trade_no: str) -> Response:
        asked = read_payload(
            {"amount_fen", "out_refund_no", "notify", "notify_url", "reason", "sp_mchid"}
        )
        order = find_order(world, out_trade_no, asked.get("sp_mchid"))
        amount_fen = asked.get("amount_fen", order.total)
        if isinstance(amount_fen, bool) or not isinstance(amount_fen, int) or amount_fen < 1:
            raise BadCall(400, "amount_fen: fen from 1")
        number = asked.get("out_refund_no")
        if number is not None and not OUT_REFUND_NO.fullmatch(str(number)):
            raise BadCall(400, "out_refund_no: up to 64 digits, letters and _-|*@")
        notify_url = asked.get("notify_url") or order.notify_url
        try:
            refund = world.refunds.by_hand(
                order,
                amount_fen,
                out_refund_no=number,
                notify_url=notify_url if asked.get("notify") else None,
                reason=asked.get("reason"),
            )
        except Refusal as refusal:
            raise BadCall(409, f"{refusal.code}: {refusal.message}", code=refusal.code) from None
        return jsonify(refund.as_truth())

    return refund_by_hand


def _limit(blueprint: Blueprint, world: World) -> None:
    @blueprint.get("/refund-limit")
    def limit() -> Response:
        return jsonify(enforced=world.refund_limit.enforced)

    @blueprint.post("/refund-limit")
    def set_limit() -> Response:
        enforced = read_payload({"enforced"}).get("enforced")
        if not isinstance(enforced, bool):
            raise BadCall(400, 'send {"enforced": true} or {"enforced": false}')
        world.refund_limit.enforced = enforced
        return jsonify(enforced=enforced)


def _find_refund(world: World, number: str, sp_mchid: str | None) -> Refund:
    found = world.refund_book.with_number(number)
    found = [one for one in found if sp_mchid in (None, one.sp_mchid)]
    if not found:
        raise BadCall(404, f"no refund has the number {number}")
    if len(found) > 1:
        raise BadCall(409, f"several providers use the number {number}; say which in sp_mchid")
    return found[0]
