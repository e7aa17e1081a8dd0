"""For people: the ledger page, and the frame around it, the payer's pages and OAuth.

Pages show and forward; what a tap does is done by the rooms below. Everything a page needs is
served from here: no other host, no inline script, no inline style.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from datetime import time as time_of_day
from typing import TYPE_CHECKING, Final

from flask import Blueprint, Response, abort, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from partner.simulator.cashier import add_cashier
from partner.simulator.clock import BEIJING
from partner.simulator.control import refuse_foreign_pages
from partner.simulator.inbox_pages import add_inbox
from partner.simulator.oauth_pages import add_oauth
from partner.simulator.orders import STATE_TEXTS
from partner.simulator.phone import remember_holder
from partner.simulator.phone_pages import add_phone
from partner.simulator.refund_pages import add_refunds, refunds_shown

if TYPE_CHECKING:
    from partner.simulator.world import World

SHOWN_ROWS: Final = 30
BILLS_ARE_READY: Final = time_of_day(10, 5)
POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors "
)
NOTIFICATION_STATES: Final = {
    "WAITING": "等待发送",
    "HELD": "故意压后",
    "DELIVERED": "已送达",
    "GIVEN_UP": "已放弃",
    "SUPPRESSED": "故意不发",
}
ORDER_STATES: Final = {
    **STATE_TEXTS,
    "NOTPAY": "待支付",
    "SUCCESS": "已支付",
    "CLOSED": "已关闭",
    "REFUND": "有退款",
}


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
    blueprint.after_request(remember_holder)
    blueprint.add_app_template_filter(_yuan, "yuan")
    blueprint.add_app_template_filter(_beijing, "beijing")
    blueprint.add_app_template_filter(_difference, "difference")
    _ledger(blueprint, world)
    add_refunds(blueprint, world)
    add_cashier(blueprint, world)
    add_phone(blueprint, world)
    add_oauth(blueprint, world)
    add_inbox(blueprint, world)
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
            **refunds_shown(world),
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


def _tomorrow(now: datetime) -> datetime:
    """Tomorrow at 10:05 in Beijing, when today's bills exist."""
    day = now.astimezone(BEIJING).date() + timedelta(days=1)
    return datetime.combine(day, BILLS_ARE_READY, BEIJING)


def _guarded(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = POLICY + g.get("frame_ancestors", "'none'")
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
