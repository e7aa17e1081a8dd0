"""The QR code of a Native order, as a picture and as text."""

from __future__ import annotations

import segno
from flask import Response

from config.clock import now
from payments.api.binding import bound
from payments.api.describe import refusals, tenant_blueprint
from payments.api.order_schemas import OrderQrQuery
from payments.api.schemas import OrderPath
from payments.checkout.qr import QUIET_MODULES, qr_png, qr_svg
from payments.errors import NoQrCode, OrderNotPayable
from payments.orders.models import Order, OrderState, TradeType
from payments.orders.place import usable_session
from payments.orders.queries import get_order
from submerchants.access import Permission, tenant_api

blueprint = tenant_blueprint(
    "QR codes", meaning="What a payer scans by camera; WeChat Pay takes no pictures from an album."
)


@blueprint.get(
    "/orders/<order_id>/qr-code",
    responses={
        200: {
            "description": "The `code_url` of a NATIVE order as a QR code.",
            "content": {
                "image/svg+xml": {"schema": {"type": "string"}},
                "image/png": {"schema": {"type": "string", "format": "binary"}},
                "text/plain": {"schema": {"type": "string"}},
            },
        },
        **refusals(404, 409),
    },
)
@tenant_api(Permission.ORDERS_READ)
@bound
def show_qr_code(path: OrderPath, query: OrderQrQuery) -> Response:
    """Draw a NATIVE order as a QR code.

    The code lives two hours; `POST /orders/{order_id}/pay-params` makes a fresh one, and the old
    picture is then void.
    """
    code_url = _code_url(get_order(path.order_id))
    if query.format == "png":
        return Response(qr_png(code_url), mimetype="image/png")
    if query.format == "txt":
        return Response(qr_text(code_url), mimetype="text/plain")
    return Response(qr_svg(code_url), mimetype="image/svg+xml")


def qr_text(text: str) -> str:
    """Two rows of the code in each line of blocks, dark on light, with the border scanners need."""
    rows = [
        [bool(module) for module in row]
        for row in segno.make(text, error="m", micro=False).matrix_iter(border=QUIET_MODULES)
    ]
    rows += [[False] * len(rows[0])] * (len(rows) % 2)
    pairs = zip(rows[::2], rows[1::2], strict=True)
    lines = ("".join(_BLOCKS[both] for both in zip(*pair, strict=True)) for pair in pairs)
    return "\n".join(lines) + "\n"


_BLOCKS = {(False, False): " ", (True, False): "▀", (False, True): "▄", (True, True): "█"}


def _code_url(order: Order) -> str:
    if order.trade_type is not TradeType.NATIVE:
        raise NoQrCode(
            "Only a NATIVE order has a QR code. A link to the checkout page has one too, and there "
            "the payer comes to a JSAPI order.",
            order_id=order.id,
        )
    if order.state in (OrderState.PAID, OrderState.CLOSED) or order.expires_at <= now():
        raise OrderNotPayable(order_id=order.id, state=order.state.value)
    code_url = usable_session(order)
    if code_url is None:
        raise NoQrCode(
            "This order has no code that still lives. POST /orders/{id}/pay-params makes one.",
            order_id=order.id,
        )
    return code_url
