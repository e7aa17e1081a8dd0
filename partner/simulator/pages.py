"""For people: the ledger page, the cashier, and WeChat's OAuth page.

Pages show and forward; what a tap does is done by the rooms below. Everything a page needs is
served from here: no other host, no inline script, no inline style.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from datetime import time as time_of_day
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from flask import Blueprint, Response, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from partner.simulator.answers import compact_json
from partner.simulator.clock import BEIJING
from partner.simulator.control import refuse_foreign_pages
from partner.simulator.ledger import PREPAY_LIFE_S, Order
from partner.simulator.oauth import DEFAULT_PERSON, ExchangeError, OAuthPageError, with_query
from partner.simulator.orders import STATE_TEXTS
from partner.simulator.payers import CannotPay

if TYPE_CHECKING:
    from partner.simulator.world import World

SHOWN_ROWS: Final = 30
BILLS_ARE_READY: Final = time_of_day(10, 5)
PERSON_COOKIE: Final = "wechat_person"
POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
NOTIFICATION_STATES: Final = {
    "WAITING": "等待发送",
    "HELD": "故意压后",
    "DELIVERED": "已送达",
    "GIVEN_UP": "已放弃",
    "SUPPRESSED": "故意不发",
}
ORDER_STATES: Final = {**STATE_TEXTS, "NOTPAY": "待支付", "SUCCESS": "已支付", "CLOSED": "已关闭"}


def pages(world: World) -> Blueprint:
    """The pages of this world."""
    blueprint = Blueprint(
        "pages",
        __name__,
        static_folder="static",
        static_url_path="/static",
        template_folder="templates",
    )
    blueprint.before_request(refuse_foreign_pages)
    blueprint.after_request(_guarded)
    blueprint.add_app_template_filter(_yuan, "yuan")
    blueprint.add_app_template_filter(_beijing, "beijing")
    blueprint.add_app_template_filter(_difference, "difference")
    _ledger(blueprint, world)
    _cashier(blueprint, world)
    _oauth(blueprint, world)
    return blueprint


def _ledger(blueprint: Blueprint, world: World) -> None:
    @blueprint.get("/")
    def ledger() -> str:
        names = {
            sub.sub_mchid: sub.name
            for provider in world.merchants.all()
            for sub in provider.sub_merchants.values()
        }
        return render_template(
            "ledger.html",
            clock=world.clock,
            orders=world.ledger.orders(limit=SHOWN_ROWS)[::-1],
            order_count=world.ledger.count(),
            notifications=world.outbox.listed(limit=SHOWN_ROWS)[::-1],
            waiting=world.outbox.count("WAITING"),
            faults=world.faults.active(),
            requests=list(world.requests)[: -SHOWN_ROWS - 1 : -1],
            merchants=world.merchants.all(),
            names=names,
            order_states=ORDER_STATES,
            notification_states=NOTIFICATION_STATES,
            base_url=request.host_url.rstrip("/"),
        )

    @blueprint.post("/ledger/clock")
    def clock() -> AnyResponse:
        step = request.form.get("step")
        if step == "hour":
            world.clock.advance(3600)
        elif step == "tomorrow":
            world.clock.set(_tomorrow(world.clock.now()))
        elif step == "real":
            world.clock.advance(-world.clock.offset_s)
        else:
            abort(400)
        return redirect(url_for("pages.ledger"), 303)

    @blueprint.post("/ledger/faults/clear")
    def clear() -> AnyResponse:
        world.faults.clear()
        return redirect(url_for("pages.ledger"), 303)


def _cashier(blueprint: Blueprint, world: World) -> None:
    @blueprint.get("/cashier/<prepay_id>")
    def cashier(prepay_id: str) -> tuple[str, int]:
        order, state = _session(world, prepay_id)
        if order is None:
            return _shown("unknown", 404)
        if state == "payable" and request.args.get("result") == "cancelled":
            state = "cancelled"
        return _shown(state, order=order, payee=_payee(world, order), prepay_id=prepay_id)

    @blueprint.post("/cashier/<prepay_id>/pay")
    def pay(prepay_id: str) -> AnyResponse:
        order, state = _session(world, prepay_id)
        if order is None:
            abort(404)
        if state == "payable":
            # Lost to a close or another tap? The page that follows shows what the order has become.
            with suppress(CannotPay):
                world.payers.pay(order)
        return _back_to(prepay_id)

    @blueprint.post("/cashier/<prepay_id>/cancel")
    def cancel(prepay_id: str) -> AnyResponse:
        return _back_to(prepay_id, result="cancelled")


def _shown(state: str, status: int = 200, **more: Any) -> tuple[str, int]:
    page = render_template("cashier.html", state=state, return_to=_return_to(), **more)
    return page, status


def _back_to(prepay_id: str, **more: str) -> AnyResponse:
    where: dict[str, Any] = {"prepay_id": prepay_id, "return_to": _return_to(), **more}
    return redirect(url_for("pages.cashier", **where), 303)


def _session(world: World, prepay_id: str) -> tuple[Order | None, str]:
    """The order behind a prepay session and what its payer would see."""
    found = world.ledger.find_prepay(prepay_id)
    if found is None:
        return None, "unknown"
    now = world.clock.timestamp()
    order = world.ledger.settle_overdue(found[0], now)
    if order.is_paid:
        return order, "paid"
    if order.trade_state == "CLOSED":
        return order, "closed"
    if now >= order.expires_at or now - found[1] >= PREPAY_LIFE_S:
        return order, "expired"
    return order, "payable"


def _payee(world: World, order: Order) -> str:
    provider = world.merchants.find(order.sp_mchid)
    sub = provider.sub_merchants.get(order.sub_mchid) if provider else None
    return sub.name if sub else order.sub_mchid


def _return_to() -> str | None:
    """Where the payer came from, if that is a web page: shown as a link, never followed."""
    url = request.values.get("return_to", "")
    return url if urlsplit(url).scheme in ("http", "https") else None


def _oauth(blueprint: Blueprint, world: World) -> None:
    @blueprint.get("/connect/oauth2/authorize")
    def authorize() -> AnyResponse | tuple[str, int]:
        query = request.args.to_dict()
        try:
            world.oauth.check(query)
        except OAuthPageError as problem:
            return render_template("oauth_error.html", problem=problem), 400
        person = query.get("person") or request.cookies.get(PERSON_COOKIE) or DEFAULT_PERSON
        if query["scope"] == "snsapi_userinfo" and query.get("consent") != "yes":
            return _consent(query), 200
        response = redirect(world.oauth.grant(query, person), 302)
        response.set_cookie(PERSON_COOKIE, person, httponly=True, samesite="Lax")
        return response

    @blueprint.get("/sns/oauth2/access_token")
    def access_token() -> Response:
        try:
            body = world.oauth.exchange(request.args.to_dict())
        except ExchangeError as problem:
            body = problem.body
        # The open platform sends its JSON as text/plain, refusals as HTTP 200.
        return Response(compact_json(body), mimetype="text/plain")


def _consent(query: dict[str, str]) -> str:
    return render_template(
        "consent.html",
        appid=query["appid"],
        agree=with_query(request.full_path, consent="yes"),
        decline=with_query(query["redirect_uri"], state=query["state"]),
    )


def _tomorrow(now: datetime) -> datetime:
    """Tomorrow at 10:05 in Beijing, when today's bills exist."""
    day = now.astimezone(BEIJING).date() + timedelta(days=1)
    return datetime.combine(day, BILLS_ARE_READY, BEIJING)


def _guarded(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"
    is_static = request.endpoint == "pages.static"
    response.headers["Cache-Control"] = "max-age=3600" if is_static else "no-store"
    return response


def _difference(seconds: float) -> str:
    """How far the clock is from real time, in the unit a person would choose."""
    if abs(seconds) < 1:
        return "与真实时间一致"
    units = ((86400, "天"), (3600, "小时"), (60, "分钟"), (1, "秒"))
    size, unit = next(one for one in units if abs(seconds) >= one[0])
    return f"比真实时间{'快' if seconds > 0 else '慢'} {abs(seconds) / size:.3g} {unit}"


def _yuan(fen: int) -> str:
    return f"{fen // 100:,}.{fen % 100:02}"


def _beijing(moment: float | datetime | str) -> str:
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    elif not isinstance(moment, datetime):
        moment = datetime.fromtimestamp(moment, BEIJING)
    return f"{moment.astimezone(BEIJING):%m-%d %H:%M:%S}"
