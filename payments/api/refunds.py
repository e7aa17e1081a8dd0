"""Refunds over HTTP: ask for one, read, ask what became of it, find one made elsewhere."""

from __future__ import annotations

from flask import Response

from payments.api.binding import answer, bound, repeatable
from payments.api.describe import refusals, tenant_blueprint
from payments.api.refund_shapes import (
    FindPayload,
    RefundPage,
    RefundPath,
    RefundPayload,
    RefundQuery,
)
from payments.api.refund_shapes import Refund as RefundShape
from payments.orders.queries import get_order
from payments.refunds.find import find_elsewhere
from payments.refunds.presenter import present_refund
from payments.refunds.queries import RefundFilter, get_refund
from payments.refunds.queries import list_refunds as refunds_of
from payments.refunds.request import RefundRequest
from payments.refunds.request import request_refund as ask_for
from payments.refunds.sync import sync_refund as sync
from submerchants.access import Permission, current_caller, tenant_api

blueprint = tenant_blueprint("Refunds", meaning="Money of a paid order on its way back.")


@blueprint.post(
    "/refunds",
    responses={201: RefundShape, 200: RefundShape, **refusals(404, 409, 413, 415, 422, 424)},
)
@tenant_api(Permission.REFUNDS_WRITE)
@bound
@repeatable("refunds.create")
def request_refund(body: RefundPayload) -> Response:
    """Give money of a paid order back.

    Reserves the amount and asks WeChat Pay. 201 when it is new, 200 when the same
    `merchant_refund_no` was sent before with the same content. An answer says that it was taken on,
    not that the payer has the money: `refund.succeeded` says that. `REQUESTED` with `waiting` is
    brought forward without you: `MINUTE` (refunds of one order lie a minute apart), `FUNDS` (your
    balance is short; it is tried for seven days), `PACE` and `ANSWER`. After a 503 or a lost
    answer, repeat the very same request: it is the same refund. A new number would be a second one.
    """
    requested = ask_for(
        order=get_order(body.order_id),
        request=RefundRequest(
            merchant_refund_no=body.merchant_refund_no,
            amount_fen=body.amount_fen,
            currency=body.currency,
            reason=body.reason,
        ),
    )
    return answer(present_refund(requested.refund), 201 if requested.is_new else 200)


@blueprint.get("/refunds", responses={200: RefundPage, **refusals()})
@tenant_api(Permission.REFUNDS_READ)
@bound
def list_refunds(query: RefundQuery) -> Response:
    """List refunds, newest first.

    Those made elsewhere, in the merchant platform for instance, are among them once WeChat Pay has
    told of them; their `origin` is `ELSEWHERE`.
    """
    chosen = RefundFilter(
        merchant_refund_no=query.merchant_refund_no,
        out_refund_no=query.out_refund_no,
        order_id=query.order_id,
        state=query.state,
        created_after=query.created_after,
        created_before=query.created_before,
    )
    page = refunds_of(chosen, limit=query.limit, cursor=query.cursor)
    shown = [present_refund(refund) for refund in page.rows]
    return answer({"data": shown, "next_cursor": page.next_cursor})


@blueprint.get("/refunds/<refund_id>", responses={200: RefundShape, **refusals(404)})
@tenant_api(Permission.REFUNDS_READ)
@bound
def show_refund(path: RefundPath) -> Response:
    """Show one refund as it stands here, without asking WeChat Pay."""
    return answer(present_refund(get_refund(path.refund_id)))


@blueprint.post(
    "/refunds/<refund_id>/sync", responses={200: RefundShape, **refusals(404, 413, 424)}
)
@tenant_api(Permission.REFUNDS_WRITE, while_suspended=True)
@bound
def sync_refund(path: RefundPath) -> Response:
    """Ask WeChat Pay now, and show the refund as it then stands."""
    return answer(present_refund(sync(get_refund(path.refund_id))))


@blueprint.post("/refunds/find", responses={200: RefundShape, **refusals(404, 409, 413, 415, 424)})
@tenant_api(Permission.REFUNDS_WRITE, while_suspended=True)
@bound
def find_refund(body: FindPayload) -> Response:
    """Find a refund at WeChat Pay by its number, and show it as it then stands.

    For one that was made elsewhere, in the merchant platform for instance, when you do not want to
    wait for the day's bill: WeChat Pay tells nobody of it and lists none, but answers for one
    number. It is taken in with `origin` `ELSEWHERE`, and from then on it is followed like your own;
    its order counts it. One that is here already is synced. Asking twice counts nothing twice.
    """
    found = find_elsewhere(
        sub_merchant=current_caller().sub_merchant, out_refund_no=body.out_refund_no
    )
    return answer(present_refund(found))
