"""The payer's page: `/checkout/{token}`, what it asks of us while it is open, and its pictures.

Looking changes nothing. A payment begins with the payer's own tap, which is a POST that carries the
page's proof; whatever WeChat's bridge says afterwards, the page asks here what is true.
"""

from __future__ import annotations

from typing import Any, Final

from flask import Response, g, jsonify, request
from pydantic import BaseModel, ConfigDict, Field
from werkzeug.wrappers import Response as AnyResponse

from config.answers import public
from config.payloads import parse
from partner.openids import weixin
from payments.checkout import assets, faults, words
from payments.checkout.entry import Opened, blueprint, opens_link
from payments.checkout.errors import LinkNotPayable, PayerUnknown, TenantPaused
from payments.checkout.links import page_url
from payments.checkout.payer_account import (
    MAX_TRIPS,
    forget_trips,
    send_to_sign_in,
    take_back,
    trips_without_return,
)
from payments.checkout.qr import qr_svg
from payments.checkout.standing import Standing
from payments.checkout.turns import take_turn
from payments.checkout.visits import known_openid
from payments.checkout.watch import look
from payments.errors import OrderNotPayable
from payments.orders.place import pay_params
from submerchants.doctor.explain import explain
from submerchants.doctor.findings import Finding

PAGES_A_MINUTE: Final = 120
RETURNS_A_MINUTE: Final = 60
PAYMENTS_A_MINUTE: Final = 30
LOOKS_A_MINUTE: Final = 300  # a page looks every two seconds; several may be open
REPORTS_A_MINUTE: Final = 20
LONGEST_REPORT: Final = 400

_WECHAT: Final = "MicroMessenger"
_SIGN_IN_ERRORS: Final = frozenset({"10003", "10005"})  # numbers that WeChat shows the payer


class Report(BaseModel):
    """What a page tells of a payment that did not come about."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str = Field(pattern=r"^(bridge|no_bridge|sign_in)$")
    told: str = Field("", max_length=LONGEST_REPORT)


@blueprint.get("/<token>")
@opens_link(a_minute=PAGES_A_MINUTE)
def show(opened: Opened) -> AnyResponse | str:
    """The page, or the way to it: where it stands, a QR code, WeChat's sign-in, the button."""
    standing = look(opened.link)
    if standing.is_final:
        return _drawn("ended", opened, standing)
    if opened.is_paused:
        raise TenantPaused
    if not weixin().is_simulated and _WECHAT not in request.headers.get("User-Agent", ""):
        return _drawn("outside", opened, standing)
    openid = known_openid(opened.link, opened.visitor)
    if openid is not None:
        return _drawn("pay", opened, standing, is_mine=_is_theirs(standing, openid))
    if trips_without_return(opened) < MAX_TRIPS:
        return send_to_sign_in(opened)
    faults.note_fault(opened.link, faults.NEVER_CAME_BACK, told="", reference=str(g.request_id))
    return forget_trips(Response(_drawn("lost", opened, standing)))


@blueprint.get("/<token>/return")
@opens_link(a_minute=RETURNS_A_MINUTE)
def come_back(opened: Opened) -> AnyResponse:
    """Where WeChat's sign-in sends the payer."""
    state, code = request.args.get("state", ""), request.args.get("code", "")
    back = take_back(opened, state=state, code=code)
    return forget_trips(back)  # type: ignore[arg-type]


@blueprint.post("/<token>/pay")
@opens_link(a_minute=PAYMENTS_A_MINUTE, answers_json=True)
def pay(opened: Opened) -> Response:
    """The payer tapped: their order, and the signed parameters for the bridge."""
    opened.visitor.check_request(opened.link.id)
    openid = known_openid(opened.link, opened.visitor)
    if openid is None:
        raise PayerUnknown
    if opened.is_paused:
        raise TenantPaused
    try:
        signed = pay_params(take_turn(opened.found, openid=openid))
    except (LinkNotPayable, OrderNotPayable):
        return _state(opened, openid)  # it ended meanwhile: the page draws itself anew
    return jsonify(pay_params=signed)


@blueprint.get("/<token>/state")
@opens_link(a_minute=LOOKS_A_MINUTE, answers_json=True)
def state(opened: Opened) -> Response:
    """Where it stands, for the page to follow."""
    return _state(opened, known_openid(opened.link, opened.visitor))


@blueprint.post("/<token>/report")
@opens_link(a_minute=REPORTS_A_MINUTE, answers_json=True)
def report(opened: Opened) -> Response:
    """The page could not pay: what WeChat showed becomes a finding, and a word for the payer."""
    opened.visitor.check_request(opened.link.id)
    told = parse(Report, request)
    finding = _finding(told)
    faults.note_fault(opened.link, finding, told=told.told, reference=str(g.request_id))
    notice = words.notice_of_finding(finding)
    return jsonify(title=str(notice.title), advice=str(notice.advice), reference=str(g.request_id))


@blueprint.get("/<token>/qr-code")
@opens_link(a_minute=PAGES_A_MINUTE)
def qr_code(opened: Opened) -> Response:
    """The page's own address, for a phone to scan."""
    return Response(qr_svg(page_url(opened.link)), mimetype="image/svg+xml")


@blueprint.get("/assets/<name>")
@public
def asset(name: str) -> Response:
    """A style, script or picture of the page."""
    return assets.file_response(name)


def _drawn(template: str, opened: Opened, standing: Standing, **more: Any) -> str:
    link = opened.link
    bridge = f"{weixin().open_base_url}/bridge.js" if weixin().is_simulated else None
    return words.draw(
        template,
        link=link,
        shop=opened.found.sub_merchant.name,
        provider=opened.found.partner.name,
        standing=standing,
        order=standing.order,
        here=f"/checkout/{link.token.reveal()}",
        proof=opened.visitor.csrf_token(link.id),
        bridge=bridge,
        **more,
    )


def _state(opened: Opened, openid: str | None) -> Response:
    standing = look(opened.link)
    return jsonify(
        state=standing.state.value,
        is_final=standing.is_final,
        is_mine=_is_theirs(standing, openid),
    )


def _is_theirs(standing: Standing, openid: str | None) -> bool:
    """Whether nobody else is paying: no turn is in force, or it is this payer's."""
    return standing.turn is None or standing.turn.attempt.openid == openid


def _finding(told: Report) -> Finding:
    if told.kind == "no_bridge":
        return explain(message="该商户暂不支持通过外部拉起微信完成支付")
    if told.kind == "sign_in":
        return explain(code=told.told) if told.told in _SIGN_IN_ERRORS else faults.NEVER_CAME_BACK
    return explain(message=told.told)
