"""The routes of WeChat Pay's partner side.

Each call goes through the same gate (`_admitted`), so no route can forget a check; what it then
does is in the room named after it. Unknown paths and wrong methods answer as the gateway does: a
bare 404 or 405.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from flask import Flask, Response, abort, g, request
from werkzeug.exceptions import HTTPException

from partner.simulator.answers import Accepted, refused, request_id, signed_answer
from partner.simulator.authorization import WireRequest, admit, raw_target
from partner.simulator.clock import rfc3339
from partner.simulator.fault_layer import FAULT_KEY, FaultLayer
from partner.simulator.faults import Fault
from partner.simulator.key_rings import answer_key
from partner.simulator.keys import SigningKey
from partner.simulator.merchants import Provider
from partner.simulator.order_fields import CODE, PRODUCTS
from partner.simulator.orders import present
from partner.simulator.refund_life import present as present_refund
from partner.simulator.refusals import Refusal, param_error
from partner.simulator.security import certificates
from partner.simulator.sessions import told

if TYPE_CHECKING:
    from partner.simulator.world import World

MAX_BODY_BYTES: Final = 1024 * 1024
KEPT_REQUESTS: Final = 2000
PARTNER: Final = "/v3/pay/partner/transactions"
DIRECT: Final = "/v3/pay/transactions"
REFUNDS: Final = "/v3/refund/domestic/refunds"


@dataclass(frozen=True)
class Asked:
    """One admitted call: who asks, with which certificate, for which signing key, and what."""

    provider: Provider
    serial_no: str
    wants_serial: str | None
    body: bytes
    query: dict[str, str]

    def wants_public_key(self, world: World) -> bool:
        ring = world.rings.of(self.provider.sp_mchid)
        return answer_key(ring, self.provider, self.wants_serial) is ring.public_key

    def key(self, world: World, fault: Fault | None) -> SigningKey:
        """What signs the answer: a key of this provider's, unless a fault wants a foreign one."""
        sp_mchid = self.provider.sp_mchid
        key = answer_key(world.rings.of(sp_mchid), self.provider, self.wants_serial)
        if fault is not None and fault.kind == "foreign_key":
            return world.rings.foreign_key(key, sp_mchid, fault.params.get("own_serial"))
        return key


Answer = dict[str, Any] | Accepted | Response | None
Handler = Callable[..., Answer]


def create_api(world: World) -> Flask:
    """The application with WeChat Pay's own paths. People's pages are added by the caller."""
    app = Flask(__name__, static_folder=None, template_folder="templates")
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    app.register_error_handler(HTTPException, _bare)
    _orders(app, world)
    _direct_orders(app, world)
    _payment_codes(app, world)
    _refunds(app, world)
    _security(app, world)
    _bills(app, world)
    app.after_request(_recorder(world.requests))
    app.wsgi_app = FaultLayer(app.wsgi_app, world.faults)  # type: ignore[method-assign]
    return app


def _orders(app: Flask, world: World) -> None:
    orders, ledger = world.orders, world.ledger

    def place(asked: Asked, product: str) -> Answer:
        public_key = asked.wants_public_key(world)
        session = orders.place(asked.provider, PRODUCTS[product], asked.body, public_key)
        return told(PRODUCTS[product], session, request.host_url)

    def by_number(asked: Asked, out_trade_no: str) -> Answer:
        found = ledger.find(asked.provider.sp_mchid, out_trade_no)
        return present(orders.query(asked.provider, found, asked.query))

    def by_transaction(asked: Asked, transaction_id: str) -> Answer:
        found = ledger.find_transaction(asked.provider.sp_mchid, transaction_id)
        return present(orders.query(asked.provider, found, asked.query))

    def close(asked: Asked, out_trade_no: str) -> Answer:
        orders.close(asked.provider, out_trade_no, asked.body)
        return None

    for name in PRODUCTS:
        if name != CODE.name:
            _route(app, world, "POST", f"{PARTNER}/{name}", place, product=name)
    _route(app, world, "GET", f"{PARTNER}/out-trade-no/<out_trade_no>", by_number)
    _route(app, world, "GET", f"{PARTNER}/id/<transaction_id>", by_transaction)
    _route(app, world, "POST", f"{PARTNER}/out-trade-no/<out_trade_no>/close", close)


def _direct_orders(app: Flask, world: World) -> None:
    """The paths of merchants without a provider: whoever signs as a provider must not come here."""

    def refuse(asked: Asked, **values: str) -> Answer:
        raise param_error("受理机构必须传入sub_mch_id", number=268443704)

    for name in PRODUCTS:
        _route(app, world, "POST", f"{DIRECT}/{name}", refuse)
    _route(app, world, "GET", f"{DIRECT}/out-trade-no/<out_trade_no>", refuse)
    _route(app, world, "GET", f"{DIRECT}/id/<transaction_id>", refuse)
    _route(app, world, "POST", f"{DIRECT}/out-trade-no/<out_trade_no>/close", refuse)


def _payment_codes(app: Flask, world: World) -> None:
    def pay(asked: Asked) -> Answer:
        public_key = asked.wants_public_key(world)
        order = world.codepay.place(asked.provider, asked.body, public_key)
        if order.trade_state == "USERPAYING":
            return Accepted({"code": "USERPAYING", "message": "用户支付中，需要输入密码"})
        return present(order)

    def reverse(asked: Asked, out_trade_no: str) -> Answer:
        return world.codepay.reverse(asked.provider, out_trade_no, asked.body)

    _route(app, world, "POST", f"{PARTNER}/{CODE.name}", pay)
    _route(app, world, "POST", f"{PARTNER}/out-trade-no/<out_trade_no>/reverse", reverse)


def _refunds(app: Flask, world: World) -> None:
    refunds, limit = world.refunds, world.refund_limit

    def apply(asked: Asked) -> Answer:
        with limit.counted(asked.provider.sp_mchid):
            public_key = asked.wants_public_key(world)
            return present_refund(refunds.apply(asked.provider, asked.body, public_key))

    def query(asked: Asked, out_refund_no: str) -> Answer:
        return present_refund(refunds.query(asked.provider, out_refund_no, asked.query))

    def apply_abnormal(asked: Asked, refund_id: str) -> Answer:
        with limit.counted(asked.provider.sp_mchid):
            serial = asked.wants_serial
            return present_refund(
                refunds.apply_abnormal(asked.provider, refund_id, asked.body, serial)
            )

    _route(app, world, "POST", REFUNDS, apply)
    _route(app, world, "GET", f"{REFUNDS}/<out_refund_no>", query)
    _route(app, world, "POST", f"{REFUNDS}/<refund_id>/apply-abnormal-refund", apply_abnormal)


def _security(app: Flask, world: World) -> None:
    def list_certificates(asked: Asked) -> Answer:
        return certificates(world.rings.of(asked.provider.sp_mchid), asked.provider, asked.query)

    def echo(asked: Asked) -> Answer:
        return world.echo.answer(asked.provider, asked.serial_no, asked.wants_serial, asked.body)

    _route(app, world, "GET", "/v3/certificates", list_certificates)
    _route(app, world, "POST", "/v3/security/echo", echo)


def _bills(app: Flask, world: World) -> None:
    def apply(asked: Asked) -> Answer:
        return world.bills.apply(asked.provider, asked.query, request.host_url)

    def apply_fund_flow(asked: Asked) -> Answer:
        world.bills.apply_fund_flow(asked.query)

    def download(asked: Asked) -> Answer:
        return world.bills.download(asked.provider, asked.query)

    _route(app, world, "GET", "/v3/bill/tradebill", apply)
    _route(app, world, "GET", "/v3/bill/fundflowbill", apply_fund_flow)
    _route(app, world, "GET", "/v3/billdownload/file", download)


def _route(
    app: Flask, world: World, method: str, path: str, handler: Handler, **fixed: str
) -> None:
    """Put a handler behind the gate; its document leaves signed, its Refusal does not."""

    def view(**values: str) -> Response:
        if request.method != method:  # werkzeug lets HEAD in wherever GET is
            abort(405)
        try:
            asked = _admitted(world)
            answer = handler(asked, **fixed, **values)
        except Refusal as refusal:
            return refused(refusal)
        if isinstance(answer, Response):
            return answer
        fault = request.environ.get(FAULT_KEY)
        return signed_answer(answer, asked.key(world, fault), world.wire_time(), fault)

    endpoint = f"{method} {path}"
    app.add_url_rule(path, endpoint, view, methods=[method], provide_automatic_options=False)


def _admitted(world: World) -> Asked:
    body = request.get_data(cache=True)
    wire = WireRequest(request.method, raw_target(request.environ), request.headers, body)
    provider, serial_no = admit(wire, world.merchants, world.wire_time())
    g.mchid = provider.sp_mchid
    wants_serial = request.headers.get("Wechatpay-Serial")
    return Asked(provider, serial_no, wants_serial, body, request.args.to_dict())


def _bare(error: HTTPException) -> Response:
    """The gateway's answer to a path or method it does not know has no body and no type."""
    response = Response(status=error.code or 500)
    del response.headers["Content-Type"]
    response.headers["Request-ID"] = request_id(268435461)
    return response


def _recorder(requests: deque[dict[str, Any]]) -> Callable[[Response], Response]:
    """Keep who called what and how it ended; never a header, a body, or a query."""

    def record(response: Response) -> Response:
        if request.path.startswith(("/v3/", "/sns/", "/connect/")):
            requests.append(
                {
                    "at": rfc3339(datetime.now(UTC)),
                    "method": request.method,
                    "path": request.path,
                    "status": response.status_code,
                    "mchid": g.get("mchid"),
                    "request_id": response.headers.get("Request-ID"),
                }
            )
        return response

    return record
