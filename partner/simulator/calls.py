"""Reading what is asked of `/_simulator/…`: bodies, filters, pages; and saying what is wrong.

Shared by every file of levers. WeChat Pay's own paths read their bodies in `fields`.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from flask import Response, jsonify, request

from partner.simulator.clock import parse_rfc3339
from partner.simulator.ledger import Order

if TYPE_CHECKING:
    from partner.simulator.world import World

MAX_LIMIT: Final = 10_000


class BadCall(Exception):
    """What was asked makes no sense; `status` and the text go to the caller."""

    def __init__(self, status: int, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"message": message, **more}


def tell(problem: BadCall) -> tuple[Response, int]:
    return jsonify(problem.body), problem.status


def read_payload(allowed: set[str] | None) -> dict[str, Any]:
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


def read_optional(asked: dict[str, Any], name: str, kind: type) -> Any:
    value = asked.get(name)
    if value is not None and (isinstance(value, bool) or not isinstance(value, kind)):
        raise BadCall(400, f"{name}: not {'a text' if kind is str else 'a whole number'}")
    return value


def read_moment(value: Any, name: str) -> datetime:
    try:
        return parse_rfc3339(str(value))
    except (ValueError, OverflowError):
        raise BadCall(400, f"{name}: an RFC 3339 time, such as 2026-01-02T10:05:00+08:00") from None


def read_filters(*names: str) -> dict[str, str | None]:
    return {name: request.args.get(name) or None for name in names}


def read_page() -> tuple[int, int]:
    """`limit` (100, at most MAX_LIMIT) and `offset` (0) of the request."""
    return min(_whole("limit", 100), MAX_LIMIT), _whole("offset", 0)


def _whole(name: str, default: int) -> int:
    text = request.args.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        raise BadCall(400, f"{name}: a whole number")
    return int(text)


def find_order(world: World, out_trade_no: str, sp_mchid: str | None) -> Order:
    found = world.ledger.with_number(out_trade_no)
    found = [order for order in found if sp_mchid in (None, order.sp_mchid)]
    if not found:
        raise BadCall(404, f"no order has the number {out_trade_no}")
    if len(found) > 1:
        message = f"several providers use the number {out_trade_no}; say which in sp_mchid"
        raise BadCall(409, message, sp_mchids=[order.sp_mchid for order in found])
    return found[0]
