"""Orders over HTTP: place, read, sign again, ask, close, reverse."""

from __future__ import annotations

from flask import Response

from config.vault import Secret
from payments.api.answers import Order as OrderShape
from payments.api.answers import OrderPage, PlacedOrder
from payments.api.binding import answer, bound, repeatable
from payments.api.describe import refusals, tenant_blueprint
from payments.api.order_schemas import OrderPayload
from payments.api.schemas import OrderPath, OrderQuery
from payments.errors import NoPayParams, OrderNotPayable
from payments.orders.create import OrderRequest, create_order
from payments.orders.place import pay_params
from payments.orders.presenter import present_order
from payments.orders.queries import OrderFilter, get_order
from payments.orders.queries import list_orders as orders_of
from payments.orders.reverse import reverse_order as reverse
from payments.orders.sync import close_order as close
from payments.orders.sync import sync_order as sync
from submerchants.access import Permission, current_caller, tenant_api

blueprint = tenant_blueprint(
    "Orders", meaning="What a payer is asked to pay, and what became of it."
)


@blueprint.post(
    "/orders",
    responses={201: PlacedOrder, 200: PlacedOrder, **refusals(409, 413, 415, 422, 424)},
)
@tenant_api(Permission.ORDERS_WRITE)
@bound
@repeatable("orders.create")
def place_order(body: OrderPayload) -> Response:
    """Place an order.

    Records the order and opens it at WeChat Pay; `trade_type` says how the payer gets to the
    cashier, and `pay_params` is what takes them there. An order of MICROPAY is charged at once: it
    is answered `PAID`, or `PENDING` while the payer types the password, and reversed by itself
    after half a minute. 201 when it is new, 200 when the same `merchant_order_no` was placed before
    with the same content. After a 503 or a lost answer, repeat the very same request: it continues
    the same order and never charges twice.
    """
    caller = current_caller()
    placed = create_order(
        sub_merchant=caller.sub_merchant,
        partner=caller.partner,
        request=_asked(body),
        sub_appids=caller.sub_appids,
    )
    try:
        signed = pay_params(placed.order)
    except (OrderNotPayable, NoPayParams):
        signed = None
    return answer(present_order(placed.order, signed), 201 if placed.is_new else 200)


@blueprint.get("/orders", responses={200: OrderPage, **refusals()})
@tenant_api(Permission.ORDERS_READ)
@bound
def list_orders(query: OrderQuery) -> Response:
    """List orders, newest first."""
    chosen = OrderFilter(
        merchant_order_no=query.merchant_order_no,
        out_trade_no=query.out_trade_no,
        state=query.state,
        created_after=query.created_after,
        created_before=query.created_before,
    )
    page = orders_of(chosen, limit=query.limit, cursor=query.cursor)
    shown = [present_order(order) for order in page.rows]
    return answer({"data": shown, "next_cursor": page.next_cursor})


@blueprint.get("/orders/<order_id>", responses={200: OrderShape, **refusals(404)})
@tenant_api(Permission.ORDERS_READ)
@bound
def show_order(path: OrderPath) -> Response:
    """Show one order as it stands here, without asking WeChat Pay."""
    return answer(present_order(get_order(path.order_id)))


@blueprint.post(
    "/orders/<order_id>/pay-params",
    responses={200: PlacedOrder, **refusals(404, 409, 413, 424)},
)
@tenant_api(Permission.ORDERS_WRITE)
@bound
def sign_order_again(path: OrderPath) -> Response:
    """Sign fresh parameters for the page, or answer a fresh address.

    For a payer who comes back. When WeChat Pay's session has run out, which it does after two
    hours, and after five minutes for MWEB, it is opened anew under the same number; the QR code of
    before is then void.
    """
    order = get_order(path.order_id)
    return answer(present_order(order, pay_params(order)))


@blueprint.post("/orders/<order_id>/sync", responses={200: OrderShape, **refusals(404, 413, 424)})
@tenant_api(Permission.ORDERS_WRITE, while_suspended=True)
@bound
def sync_order(path: OrderPath) -> Response:
    """Ask WeChat Pay now, and show the order as it then stands."""
    return answer(present_order(sync(get_order(path.order_id))))


@blueprint.post(
    "/orders/<order_id>/close", responses={200: OrderShape, **refusals(404, 409, 413, 424)}
)
@tenant_api(Permission.ORDERS_WRITE, while_suspended=True)
@bound
def close_order(path: OrderPath) -> Response:
    """Close an unpaid order, at WeChat Pay and here.

    Afterwards it cannot be paid. A closed order stays as it is; a paid one is refused with 409, and
    so is one of MICROPAY, which is reversed instead.
    """
    return answer(present_order(close(get_order(path.order_id))))


@blueprint.post(
    "/orders/<order_id>/reverse", responses={200: OrderShape, **refusals(404, 409, 413, 424)}
)
@tenant_api(Permission.REFUNDS_WRITE, while_suspended=True)
@bound
def reverse_order(path: OrderPath) -> Response:
    """Reverse a payment by code: unpaid it is closed, paid it is given back in full.

    For a till that does not know how the payment ended, or took the wrong one. From 15 seconds
    after the order was placed, for seven days. Money may leave, so the key needs the scope of
    refunds. After a 503 the platform goes on reversing by itself.
    """
    return answer(present_order(reverse(get_order(path.order_id))))


def _asked(body: OrderPayload) -> OrderRequest:
    payer = body.payer
    return OrderRequest(
        merchant_order_no=body.merchant_order_no,
        description=body.description,
        amount_fen=body.amount_fen,
        currency=body.currency,
        trade_type=body.way(),
        sp_openid=payer.sp_openid if payer else None,
        sub_openid=payer.sub_openid if payer else None,
        sub_appid=body.sub_appid,
        page_url=body.page_url,
        expires_at=body.expires_at,
        attach=body.attach,
        goods_tag=body.goods_tag,
        detail=body.detail.model_dump(exclude_none=True) if body.detail else None,
        scene_info=body.scene_info.model_dump(exclude_none=True) if body.scene_info else None,
        profit_sharing=body.profit_sharing,
        auth_code=Secret(body.auth_code) if body.auth_code else None,
        redirect_url=body.redirect_url,
    )
