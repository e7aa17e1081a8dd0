"""`/_simulator/…`: the truth and the levers, for tests and scripts. No signatures here, on purpose.

WeChat Pay has none of these paths. They are for the machine's own user: a browser page from
elsewhere that tries to pull a lever is turned away by its Origin.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from flask import Blueprint, Response, jsonify, request

from partner.simulator.calls import (
    BadCall,
    find_order,
    read_filters,
    read_moment,
    read_optional,
    read_page,
    read_payload,
    tell,
)
from partner.simulator.clock import rfc3339
from partner.simulator.faults import KINDS, BadFault
from partner.simulator.home import DEFAULT_SP_MCHID
from partner.simulator.inbox_pages import inbox_levers
from partner.simulator.merchants import Provider
from partner.simulator.payers import CannotPay
from partner.simulator.refund_levers import refund_levers
from partner.simulator.registration import BadRegistration

if TYPE_CHECKING:
    from partner.simulator.world import World

FURTHEST_S: Final = 20 * 365 * 86400


def control(world: World) -> Blueprint:
    """The control paths of this world."""
    blueprint = Blueprint("control", __name__, url_prefix="/_simulator")
    blueprint.before_request(refuse_foreign_pages)
    blueprint.register_error_handler(BadCall, tell)
    _truth(blueprint, world)
    _clock(blueprint, world)
    _faults(blueprint, world)
    _merchants(blueprint, world)
    refund_levers(blueprint, world)
    inbox_levers(blueprint, world)
    blueprint.add_url_rule(
        "/orders/<out_trade_no>/pay", view_func=_pay(world), methods=["POST"], endpoint="pay"
    )
    return blueprint


def refuse_foreign_pages() -> Response | None:
    """A lever may be pulled from here or from no page at all (curl, a test), not from another
    site."""
    origin = request.headers.get("Origin")
    if request.method in ("GET", "HEAD") or origin is None:
        return None
    if urlsplit(origin).netloc == request.host:
        return None
    return Response(
        b'{"message": "this page belongs to another site"}', 403, mimetype="application/json"
    )


def _truth(blueprint: Blueprint, world: World) -> None:
    @blueprint.get("/orders")
    def orders() -> Response:
        filters = read_filters("out_trade_no", "sub_mchid", "sp_mchid")
        limit, offset = read_page()
        found = world.ledger.orders(filters, limit, offset)
        return jsonify(data=[order.as_truth() for order in found])

    @blueprint.get("/refunds")
    def refunds() -> Response:
        filters = read_filters("out_refund_no", "out_trade_no", "sub_mchid", "sp_mchid", "status")
        limit, offset = read_page()
        found = world.refund_book.refunds(filters, limit, offset)
        return jsonify(data=[refund.as_truth() for refund in found])

    @blueprint.get("/notifications")
    def notifications() -> Response:
        limit, offset = read_page()
        filters = read_filters("out_trade_no", "sub_mchid", "event_type")
        return jsonify(data=world.outbox.listed(filters, limit, offset))

    @blueprint.get("/requests")
    def requests() -> Response:
        limit, offset = read_page()
        newest = list(world.requests)[::-1][offset : offset + limit]
        return jsonify(data=newest[::-1])


def _pay(world: World) -> Callable[[str], tuple[Response, int]]:
    def pay(out_trade_no: str) -> tuple[Response, int]:
        asked = read_payload({"openid", "at", "coupon_fen", "coupon_type", "bank_type", "sp_mchid"})
        order = find_order(world, out_trade_no, asked.get("sp_mchid"))
        try:
            paid = world.payers.pay(
                order,
                openid=read_optional(asked, "openid", str),
                at=read_moment(asked["at"], "at") if asked.get("at") else None,
                coupon_fen=read_optional(asked, "coupon_fen", int) or 0,
                coupon_type=_coupon_type(asked),
                bank_type=read_optional(asked, "bank_type", str) or "OTHERS",
            )
        except CannotPay as problem:
            message = f"order {out_trade_no} cannot be paid: {problem.reason}"
            raise BadCall(409, message, trade_state=order.trade_state) from None
        return jsonify(paid.as_truth()), 200

    return pay


def _clock(blueprint: Blueprint, world: World) -> None:
    def told() -> Response:
        now = world.clock.timestamp()
        return jsonify(now=rfc3339(now), offset_seconds=round(world.clock.offset_s, 3))

    @blueprint.get("/clock")
    def read() -> Response:
        return told()

    @blueprint.post("/clock")
    def move() -> Response:
        asked = read_payload({"now", "advance_seconds"})
        if len(asked) != 1:
            raise BadCall(
                400, 'send {"now": "2026-01-02T10:05:00+08:00"} or {"advance_seconds": 3600}'
            )
        if "now" in asked:
            moment = read_moment(asked["now"], "now")
            _require_near("now", moment.timestamp() - world.wire_time())
            world.clock.set(moment)
            return told()
        seconds = asked["advance_seconds"]
        if isinstance(seconds, bool) or not isinstance(seconds, int | float):
            raise BadCall(400, "advance_seconds: a number")
        _require_near("advance_seconds", world.clock.offset_s + seconds)
        world.clock.advance(seconds)
        return told()


def _require_near(name: str, offset_s: float) -> None:
    if abs(offset_s) > FURTHEST_S:
        raise BadCall(400, f"{name}: at most twenty years away from the real time")


def _faults(blueprint: Blueprint, world: World) -> None:
    @blueprint.get("/faults")
    def active() -> Response:
        return jsonify(data=[fault.as_dict() for fault in world.faults.active()], kinds=KINDS)

    @blueprint.post("/faults")
    def add() -> tuple[Response, int]:
        asked = read_payload(None)
        kind = asked.pop("kind", None)
        try:
            fault = world.faults.add(str(kind), **asked)
        except (BadFault, TypeError) as problem:
            raise BadCall(400, str(problem), kinds=KINDS) from None
        return jsonify(fault.as_dict()), 201

    @blueprint.delete("/faults")
    def clear() -> Response:
        return jsonify(cleared=world.faults.clear())


def _merchants(blueprint: Blueprint, world: World) -> None:
    @blueprint.get("/merchants")
    def known() -> Response:
        return jsonify(data=[_with_balances(world, one) for one in world.merchants.all()])

    @blueprint.post("/merchants")
    def register() -> tuple[Response, int]:
        asked = read_payload(None)
        before = world.merchants.find(str(asked.setdefault("sp_mchid", DEFAULT_SP_MCHID)))
        try:
            provider = world.register(asked)
        except BadRegistration as problem:
            raise BadCall(400, str(problem)) from None
        told = {**_with_balances(world, provider), **world.rings.of(provider.sp_mchid).told()}
        return jsonify(told), 200 if before else 201

    @blueprint.post("/platform-certificates/rotate")
    def rotate() -> Response:
        sp_mchid = read_payload({"sp_mchid"}).get("sp_mchid", DEFAULT_SP_MCHID)
        if world.merchants.find(str(sp_mchid)) is None:
            raise BadCall(404, f"no provider has the number {sp_mchid}")
        fresh, ring = world.rings.rotate(str(sp_mchid)), world.rings.of(str(sp_mchid))
        world.home.describe(world.rings.first, request.host_url.rstrip("/"))
        serials = [one.serial for one in ring.certificates]
        return jsonify(platform_serial_no=fresh.serial, in_force=serials)


def _with_balances(world: World, provider: Provider) -> dict[str, Any]:
    shown = provider.as_dict()
    for sub in shown["sub_merchants"]:
        sub["balance_fen"] = world.balances.of(sub["sub_mchid"])
    return shown


def _coupon_type(asked: dict[str, Any]) -> str:
    value = asked.get("coupon_type", "NOCASH")
    if value not in ("CASH", "NOCASH"):
        raise BadCall(400, "coupon_type: CASH or NOCASH")
    return str(value)
