"""For people: refunds on the ledger page, and what becomes of them at a tap."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from flask import Blueprint, abort, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from partner.simulator.refund_book import ABNORMAL, CLOSED, MOVES, PROCESSING, SUCCESS
from partner.simulator.refund_life import EVERYBODY, HOLD, CannotSettle

if TYPE_CHECKING:
    from partner.simulator.world import World

SHOWN_REFUNDS: Final = 30
REFUND_STATES: Final = {
    PROCESSING: "处理中",
    SUCCESS: "退款成功",
    ABNORMAL: "退款异常",
    CLOSED: "退款关闭",
}
NEXT_OUTCOMES: Final = {
    SUCCESS: "自动成功",
    HOLD: "停在处理中",
    ABNORMAL: "变成异常",
    CLOSED: "被关闭",
}


def refunds_shown(world: World) -> dict[str, Any]:
    """What the ledger page says of refunds."""
    return {
        "refunds": world.refund_book.refunds(limit=SHOWN_REFUNDS)[::-1],
        "refund_count": world.refund_book.count(),
        "refund_states": REFUND_STATES,
        "settlements": {
            PROCESSING: MOVES[PROCESSING],
            ABNORMAL: (SUCCESS,),  # the way back to PROCESSING is the API's
        },
        "next_outcomes": NEXT_OUTCOMES,
        "next_outcome": world.refund_outcomes.next(EVERYBODY).outcome,
    }


def add_refunds(blueprint: Blueprint, world: World) -> None:
    """Add the taps to the ledger's paths."""

    @blueprint.post("/ledger/refunds/<int:seq>/settle")
    def settle_refund(seq: int) -> AnyResponse:
        refund, status = world.refund_book.get(seq), request.form.get("status", "")
        if refund is None or status not in (SUCCESS, ABNORMAL, CLOSED):
            abort(404)
        # It settled by itself in between? The page that follows shows what it has become.
        with suppress(CannotSettle):
            world.refund_life.settle(refund, status)
        return redirect(url_for("pages.ledger", _anchor="refunds"), 303)

    @blueprint.post("/ledger/refund-outcome")
    def refund_outcome() -> AnyResponse:
        outcome = request.form.get("outcome", "")
        if outcome not in NEXT_OUTCOMES:
            abort(400)
        world.refund_outcomes.set(outcome)
        return redirect(url_for("pages.ledger", _anchor="refunds"), 303)
