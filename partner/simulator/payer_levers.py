"""`/_simulator/…`, the payer's side: who holds the phone, payment codes, a mini program's codes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, jsonify, request

from partner.simulator.bridge import InvokeRefused
from partner.simulator.calls import BadCall, find_order, read_optional, read_payload, tell
from partner.simulator.codepay import BEHAVIOURS, CODE_LIFE_S, PAY
from partner.simulator.control import refuse_foreign_pages
from partner.simulator.people import DEFAULT_PERSON, PERSON

if TYPE_CHECKING:
    from partner.simulator.world import World


def payer_levers(world: World) -> Blueprint:
    """The levers of whoever holds the phone."""
    blueprint = Blueprint("payer_levers", __name__, url_prefix="/_simulator")
    blueprint.before_request(refuse_foreign_pages)
    blueprint.register_error_handler(BadCall, tell)
    _person(blueprint, world)
    _codes(blueprint, world)
    return blueprint


def _person(blueprint: Blueprint, world: World) -> None:
    def told() -> Response:
        current = world.people.current() or DEFAULT_PERSON
        return jsonify(person=current, people=world.people.names())

    @blueprint.get("/person")
    def who() -> Response:
        return told()

    @blueprint.post("/person")
    def hand_over() -> Response:
        world.people.hand_over(_read_person(read_payload({"person"})))
        return told()


def _codes(blueprint: Blueprint, world: World) -> None:
    @blueprint.post("/payment-codes")
    def payment_code() -> tuple[Response, int]:
        asked = read_payload({"person", "behaviour"})
        behaviour = asked.get("behaviour", PAY)
        if behaviour not in BEHAVIOURS:
            raise BadCall(400, f"behaviour: one of {', '.join(BEHAVIOURS)}")
        person = _read_person(asked) or world.people.current() or DEFAULT_PERSON
        auth_code = world.codes.make(person, behaviour, world.clock.timestamp())
        made = {"auth_code": auth_code, "person": person, "behaviour": behaviour}
        return jsonify(**made, expires_in=CODE_LIFE_S), 201

    @blueprint.post("/js-codes")
    def js_code() -> tuple[Response, int]:
        asked = read_payload({"appid", "person"})
        person = _read_person(asked) or world.people.current() or DEFAULT_PERSON
        code = world.oauth.log_in(str(asked.get("appid")), person)
        if code is None:
            raise BadCall(404, "appid: nobody has this one")
        return jsonify(js_code=code, person=person), 201

    @blueprint.post("/app-pay")
    def app_pay() -> Response:
        """An app opens the cashier with what the merchant's server signed for the OpenSDK."""
        asked = read_payload(None)
        try:
            order = world.bridge.open_app(asked)
        except InvokeRefused as refusal:
            return jsonify(errCode=-1, errStr=refusal.text)
        return jsonify(errCode=0, cashier=f"{request.host_url}cashier/{order.prepay_id}")

    @blueprint.post("/orders/<out_trade_no>/cancel")
    def give_up(out_trade_no: str) -> Response:
        asked = read_payload({"sp_mchid"})
        order = find_order(world, out_trade_no, asked.get("sp_mchid"))
        if not world.codepay.give_up(order):
            message = f"order {out_trade_no} is not waiting for a password"
            raise BadCall(409, message, trade_state=order.trade_state)
        return jsonify(find_order(world, out_trade_no, order.sp_mchid).as_truth())


def _read_person(asked: dict[str, Any]) -> str | None:
    person = read_optional(asked, "person", str)
    if person is not None and not PERSON.fullmatch(person):
        raise BadCall(400, "person: 1 to 64 letters, digits or _ . @ -")
    return None if person is None else str(person)
