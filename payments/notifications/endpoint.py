"""The address WeChat Pay calls: one for all events of a provider.

It answers within WeChat Pay's five seconds and waits for nobody. The size is capped before anything
is read, the raw bytes are taken before any parsing, and a failed verification is answered 401,
counted, and forgotten.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from flask import Blueprint, Response, jsonify, request

from config.answers import public
from config.audit import WECHATPAY, acting_as
from config.logs import get_logger
from config.pacing import OnceEvery
from partner.gateway import key_ring
from partner.wechatpay.errors import Untrusted
from partner.wechatpay.verification import HEADERS
from payments import metrics
from payments.notifications.receive import Misdirected, receive

MAX_NOTIFICATION_BYTES: Final = 64 * 1024
LOG_EVERY: Final = timedelta(seconds=10)

# Where a server puts what is signed. It joins a header that came twice with a comma, and the
# verifier takes no comma.
_SIGNED: Final = {name: f"HTTP_{name.upper().replace('-', '_')}" for name in HEADERS}

blueprint = Blueprint("notifications", __name__)
log = get_logger(__name__)
_said = OnceEvery(LOG_EVERY)


@blueprint.post("/notify/wechatpay/<sp_mchid>")
@public
def notify(sp_mchid: str) -> Response:
    """Take in one notification for this provider. The signature is the caller's only credential."""
    with metrics.notification_seconds.time():
        return _answer(sp_mchid)


def _answer(sp_mchid: str) -> Response:
    if request.content_length is not None and request.content_length > MAX_NOTIFICATION_BYTES:
        return _fail(413, "too_large", "The notification is larger than 64 KiB.")
    body = request.get_data(cache=False)
    ring = key_ring(sp_mchid)
    if ring is None:
        return _fail(404, "unknown_provider", "No such provider here.")
    try:
        with acting_as(WECHATPAY):
            state = receive(key_ring=ring, headers=_signed_headers(), body=body)
    except Untrusted as fault:
        verdict = "probe" if fault.is_signature_probe else fault.reason.value
        return _fail(401, verdict, "The signature does not hold.")
    except Misdirected:
        return _fail(400, "misdirected", "This notification belongs to another address.")
    metrics.notifications.labels(state.value.lower()).inc()
    return Response(status=204)


def _signed_headers() -> dict[str, str]:
    given = request.environ
    return {name: given[place] for name, place in _SIGNED.items() if place in given}


def _fail(status: int, verdict: str, message: str) -> Response:
    metrics.notifications.labels(verdict).inc()
    if _said.is_due(verdict):
        log.warning("notifications are turned away", verdict=verdict)
    response = jsonify({"code": "FAIL", "message": message})
    response.status_code = status
    return response
