"""The payer's phone: scanning a code, landing from an h5_url, the wallet, and whose phone it is."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

import segno
from flask import Blueprint, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from partner.simulator.cashier import payee, session
from partner.simulator.codepay import BEHAVIOURS, PAY
from partner.simulator.h5 import LandingRefused, Visit
from partner.simulator.ledger import Order
from partner.simulator.order_fields import NATIVE
from partner.simulator.orders import STATE_TEXTS
from partner.simulator.payers import CannotPay
from partner.simulator.people import DEFAULT_PERSON, PERSON
from partner.simulator.phone import give_to, holder
from partner.simulator.sessions import H5_PATH, code_url, scanned_session

if TYPE_CHECKING:
    from partner.simulator.world import World

SHOWN_CODES: Final = 12
SHOWN_PAYMENTS: Final = 4
NOT_A_CODE: Final = "这不是微信支付的收款码"


def add_phone(blueprint: Blueprint, world: World) -> None:
    """Everything on the payer's phone but the cashier."""
    _scan(blueprint, world)
    _h5(blueprint, world)
    _wallet(blueprint, world)
    _person(blueprint, world)


def _person_now(world: World) -> str:
    return holder(world) or DEFAULT_PERSON


def _refusal(world: World, text: str, hint: str = "") -> tuple[str, int]:
    page = render_template("refusal.html", text=text, hint=hint, person=_person_now(world))
    return page, 400


def _scan(blueprint: Blueprint, world: World) -> None:
    @blueprint.get("/scan")
    def scan() -> AnyResponse | tuple[str, int]:
        text = request.args.get("code_url")
        if text is None:
            return _scanner(world), 200
        found = scanned_session(text)
        order, state, why = session(world, found) if found else (None, "unknown", NOT_A_CODE)
        if order is None or order.product != NATIVE.name or state in ("foreign", "stale"):
            return _refusal(world, why or NOT_A_CODE)
        world.payers.claim(order, _person_now(world))
        return redirect(url_for("pages.cashier", prepay_id=found), 302)


def _scanner(world: World) -> str:
    waiting: dict[str, str | None] = {"product": NATIVE.name, "trade_state": "NOTPAY"}
    orders = world.ledger.orders(waiting, SHOWN_CODES)[::-1]
    return render_template(
        "scan.html",
        codes=[(order, payee(world, order), code_url(order.prepay_id)) for order in orders],
        person=_person_now(world),
    )


def _h5(blueprint: Blueprint, world: World) -> None:
    @blueprint.get(H5_PATH)
    def landing() -> str | tuple[str, int]:
        visit = Visit(
            query=request.query_string.decode("latin-1"),
            referer=request.headers.get("Referer", ""),
            user_agent=request.headers.get("User-Agent", ""),
            address=request.remote_addr or "127.0.0.1",
        )
        try:
            landed = world.h5_door.enter(visit)
        except LandingRefused as refusal:
            return _refusal(world, refusal.text)
        text = world.payers.stranger_text(landed.order, holder(world))
        if text:
            return _refusal(world, text)
        world.payers.claim(landed.order, _person_now(world))
        return render_template(
            "h5.html",
            landed=landed,
            payee=payee(world, landed.order),
            person=_person_now(world),
        )


def _wallet(blueprint: Blueprint, world: World) -> None:
    @blueprint.get("/wallet")
    def wallet() -> str:
        person, behaviour = _person_now(world), request.args.get("behaviour", PAY)
        if behaviour not in BEHAVIOURS:
            abort(400)
        auth_code = world.codes.shown(person, behaviour, world.clock.timestamp())
        used = world.ledger.with_seqs(world.codes.orders_of(person, SHOWN_PAYMENTS))
        return render_template(
            "wallet.html",
            auth_code=auth_code,
            picture=segno.make_qr(auth_code, error="m").svg_inline(border=0, omitsize=True),
            behaviours=BEHAVIOURS,
            behaviour=behaviour,
            payments=[(used[seq], payee(world, used[seq])) for seq in sorted(used, reverse=True)],
            states=STATE_TEXTS,
            person=person,
        )

    @blueprint.post("/wallet/<int:seq>")
    def answer(seq: int) -> AnyResponse:
        """The password page: type it, or turn it away."""
        order = _asked_order(world, seq)
        if request.form.get("answer") == "pay":
            # The till was quicker to reverse it? The wallet shows what the order has become.
            with suppress(CannotPay):
                world.payers.pay(order)
        else:
            world.codepay.give_up(order)
        where = url_for("pages.wallet", behaviour=request.form.get("behaviour", PAY))
        return redirect(where, 303)


def _asked_order(world: World, seq: int) -> Order:
    if seq not in world.codes.orders_of(_person_now(world), SHOWN_PAYMENTS):
        abort(404)
    return world.ledger.with_seqs([seq])[seq]


def _person(blueprint: Blueprint, world: World) -> None:
    @blueprint.get("/person")
    def person() -> str:
        return render_template(
            "person.html",
            people=world.people.names(),
            person=_person_now(world),
            after=_local(request.args.get("after", "")),
        )

    @blueprint.post("/person")
    def choose() -> AnyResponse:
        name = request.form.get("other") or request.form.get("person") or ""
        if not PERSON.fullmatch(name):
            abort(400)
        response = redirect(_local(request.form.get("after", "")), 303)
        give_to(response, name)
        return response


def _local(path: str) -> str:
    """A path of this site, or the list of persons."""
    is_local = path.startswith("/") and not path.startswith(("//", "/\\"))
    return path if is_local else url_for("pages.person")
