"""`/_simulator/…`: the truth and the levers, for tests and scripts. No signatures here, on purpose.

WeChat Pay has none of these paths. They are for the machine's own user: a browser page from
elsewhere that tries to pull a lever is turned away by its Origin.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from flask import Blueprint, Response, jsonify, request

from partner.simulator.clock import parse_rfc3339, rfc3339
from partner.simulator.faults import KINDS, BadFault
from partner.simulator.home import DEFAULT_SP_MCHID
from partner.simulator.ledger import Order
from partner.simulator.payers import CannotPay
from partner.simulator.registration import BadRegistration, read_registration

if TYPE_CHECKING:
    from partner.simulator.world import World

MAX_LIMIT: Final = 10_000
FURTHEST_S: Final = 20 * 365 * 86400


class BadCall(Exception):
    """What was asked makes no sense; `status` and the text go to the caller."""

    def __init__(self, status: int, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"message": message, **more}


def control(world: World) -> Blueprint:
    """The control paths of this world."""
    blueprint = Blueprint("control", __name__, url_prefix="/_simulator")
    blueprint.before_request(refuse_foreign_pages)
    blueprint.register_error_handler(BadCall, _told)
    _truth(blueprint, world)
    _clock(blueprint, world)
    _faults(blueprint, world)
    _merchants(blueprint, world)
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
        filters = _filters("out_trade_no", "sub_mchid", "sp_mchid")
        limit, offset = _page()
        found = world.ledger.orders(filters, limit, offset)
        return jsonify(data=[order.as_truth() for order in found])

    @blueprint.get("/refunds")
    def refunds() -> Response:
        _page()
        return jsonify(data=[])

    @blueprint.get("/notifications")
    def notifications() -> Response:
        limit, offset = _page()
        filters = _filters("out_trade_no", "sub_mchid")
        return jsonify(data=world.outbox.listed(filters, limit, offset))

    @blueprint.get("/requests")
    def requests() -> Response:
        limit, offset = _page()
        newest = list(world.requests)[::-1][offset : offset + limit]
        return jsonify(data=newest[::-1])


def _pay(world: World) -> Callable[[str], tuple[Response, int]]:
    def pay(out_trade_no: str) -> tuple[Response, int]:
        asked = _payload({"openid", "at", "coupon_fen", "coupon_type", "bank_type", "sp_mchid"})
        order = _find_order(world, out_trade_no, asked.get("sp_mchid"))
        try:
            paid = world.payers.pay(
                order,
                openid=_optional(asked, "openid", str),
                at=_moment(asked["at"], "at") if asked.get("at") else None,
                coupon_fen=_optional(asked, "coupon_fen", int) or 0,
                coupon_type=_coupon_type(asked),
                bank_type=_optional(asked, "bank_type", str) or "OTHERS",
            )
        except CannotPay as problem:
            message = f"order {out_trade_no} cannot be paid: {problem.reason}"
            raise BadCall(409, message, trade_state=order.trade_state) from None
        return jsonify(paid.as_truth()), 200

    return pay


def _find_order(world: World, out_trade_no: str, sp_mchid: str | None) -> Order:
    found = world.ledger.with_number(out_trade_no)
    found = [order for order in found if sp_mchid in (None, order.sp_mchid)]
    if not found:
        raise BadCall(404, f"no order has the number {out_trade_no}")
    if len(found) > 1:
        message = f"several providers use the number {out_trade_no}; say which in sp_mchid"
        raise BadCall(409, message, sp_mchids=[order.sp_mchid for order in found])
    return found[0]


def _clock(blueprint: Blueprint, world: World) -> None:
    def told() -> Response:
        now = world.clock.timestamp()
        return jsonify(now=rfc3339(now), offset_seconds=round(world.clock.offset_s, 3))

    @blueprint.get("/clock")
    def read() -> Response:
        return told()

    @blueprint.post("/clock")
    def move() -> Response:
        asked = _payload({"now", "advance_seconds"})
        if len(asked) != 1:
            raise BadCall(
                400, 'send {"now": "2026-01-02T10:05:00+08:00"} or {"advance_seconds": 3600}'
            )
        if "now" in asked:
            moment = _moment(asked["now"], "now")
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
        asked = _payload(None)
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
        return jsonify(data=[provider.as_dict() for provider in world.merchants.all()])

    @blueprint.post("/merchants")
    def register() -> tuple[Response, int]:
        asked = _payload(None)
        before = world.merchants.find(str(asked.setdefault("sp_mchid", DEFAULT_SP_MCHID)))
        try:
            provider = read_registration(asked, before)
        except BadRegistration as problem:
            raise BadCall(400, str(problem)) from None
        world.merchants.register(provider)
        return jsonify(provider.as_dict()), 200 if before else 201

    @blueprint.post("/platform-certificates/rotate")
    def rotate() -> Response:
        fresh = world.home.rotate_certificate(world.ring)
        world.home.describe(world.ring, request.host_url.rstrip("/"))
        serials = [one.serial for one in world.ring.certificates]
        return jsonify(platform_serial_no=fresh.serial, in_force=serials)


def _told(problem: BadCall) -> tuple[Response, int]:
    return jsonify(problem.body), problem.status


def _payload(allowed: set[str] | None) -> dict[str, Any]:
    """The body as an object; no body is an empty one."""
    raw = request.get_data()
    try:
        payload = json.loads(raw, parse_constant=_no_constant) if raw.strip() else {}
    except (ValueError, RecursionError):
        raise BadCall(400, "the body is not JSON") from None
    if not isinstance(payload, dict):
        raise BadCall(400, "the body is not a JSON object")
    unknown = sorted(set(payload) - allowed) if allowed is not None else []
    if unknown:
        raise BadCall(400, f"{', '.join(unknown)}: not known here", known=sorted(allowed or ()))
    return payload


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _optional(asked: dict[str, Any], name: str, kind: type) -> Any:
    value = asked.get(name)
    if value is not None and (isinstance(value, bool) or not isinstance(value, kind)):
        raise BadCall(400, f"{name}: not {'a text' if kind is str else 'a whole number'}")
    return value


def _coupon_type(asked: dict[str, Any]) -> str:
    value = asked.get("coupon_type", "NOCASH")
    if value not in ("CASH", "NOCASH"):
        raise BadCall(400, "coupon_type: CASH or NOCASH")
    return str(value)


def _moment(value: Any, name: str) -> datetime:
    try:
        return parse_rfc3339(str(value))
    except (ValueError, OverflowError):
        raise BadCall(400, f"{name}: an RFC 3339 time, such as 2026-01-02T10:05:00+08:00") from None


def _filters(*names: str) -> dict[str, str | None]:
    return {name: request.args.get(name) or None for name in names}


def _page() -> tuple[int, int]:
    """`limit` (100, at most MAX_LIMIT) and `offset` (0) of the request."""
    return min(_whole("limit", 100), MAX_LIMIT), _whole("offset", 0)


def _whole(name: str, default: int) -> int:
    text = request.args.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        raise BadCall(400, f"{name}: a whole number")
    return int(text)
