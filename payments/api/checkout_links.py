"""Checkout links over HTTP: make, read, cancel, and show as a QR code."""

from __future__ import annotations

from flask import Response, current_app

from payments.api.binding import answer, bound, repeatable
from payments.api.checkout_shapes import CheckoutLink as LinkShape
from payments.api.checkout_shapes import (
    CheckoutLinkPage,
    CheckoutLinkPath,
    CheckoutLinkPayload,
    CheckoutLinkQuery,
    QrCodeQuery,
)
from payments.api.describe import API_PREFIX, refusals, tenant_blueprint
from payments.checkout import links, queries
from payments.checkout.models import CheckoutLink
from payments.checkout.presenter import present_link
from payments.checkout.qr import qr_png, qr_svg
from payments.checkout.standing import Standing, standing_of, standings
from submerchants.access import Permission, current_caller, tenant_api

blueprint = tenant_blueprint(
    "Checkout links", meaning="A page of the platform's that learns who pays and takes the payment."
)


@blueprint.post(
    "/checkout-links",
    responses={201: LinkShape, 200: LinkShape, **refusals(409, 413, 415, 422)},
)
@tenant_api(Permission.ORDERS_WRITE)
@bound
@repeatable("checkout_links.create", is_secret=True)
def create_checkout_link(body: CheckoutLinkPayload) -> Response:
    """Make a link that a payer opens in WeChat.

    The order is placed once the payer is known, under the link's `merchant_order_no`; a second
    payer's has `*2` behind it. 201 when the link is new, 200 when the same `merchant_order_no` was
    given before with the same content.
    """
    caller = current_caller()
    made = links.create_link(
        sub_merchant=caller.sub_merchant,
        partner=caller.partner,
        request=links.LinkRequest(**body.model_dump()),
    )
    return answer(_shown(made.link, standing_of(made.link)), 201 if made.is_new else 200)


@blueprint.get("/checkout-links", responses={200: CheckoutLinkPage, **refusals()})
@tenant_api(Permission.ORDERS_READ)
@bound
def list_checkout_links(query: CheckoutLinkQuery) -> Response:
    """List links, newest first."""
    page = queries.list_links(
        limit=query.limit, cursor=query.cursor, merchant_order_no=query.merchant_order_no
    )
    stand = standings(page.rows)
    shown = [_shown(link, stand[link.id]) for link in page.rows]
    return answer({"data": shown, "next_cursor": page.next_cursor})


@blueprint.get("/checkout-links/<link_id>", responses={200: LinkShape, **refusals(404)})
@tenant_api(Permission.ORDERS_READ)
@bound
def show_checkout_link(path: CheckoutLinkPath) -> Response:
    """Show one link as it stands here, with its order once there is one."""
    link = queries.get_link(path.link_id)
    return answer(_shown(link, standing_of(link)))


@blueprint.post(
    "/checkout-links/<link_id>/cancel",
    responses={200: LinkShape, **refusals(404, 409, 413, 424)},
)
@tenant_api(Permission.ORDERS_WRITE, while_suspended=True)
@bound
def cancel_checkout_link(path: CheckoutLinkPath) -> Response:
    """Let nobody pay it any more.

    An order under way is closed at WeChat Pay. After a 503, repeat the request: it finishes the
    work. A paid link is refused with 409.
    """
    link = queries.get_link(path.link_id)
    return answer(_shown(link, links.cancel_link(link)))


@blueprint.get(
    "/checkout-links/<link_id>/qr-code",
    responses={
        200: {
            "description": "The link's address as a QR code.",
            "content": {
                "image/svg+xml": {"schema": {"type": "string"}},
                "image/png": {"schema": {"type": "string", "format": "binary"}},
            },
        },
        **refusals(404),
    },
)
@tenant_api(Permission.ORDERS_READ)
@bound
def show_checkout_qr_code(path: CheckoutLinkPath, query: QrCodeQuery) -> Response:
    """Draw the link as a QR code, to be scanned with WeChat."""
    url = links.page_url(queries.get_link(path.link_id))
    if query.format == "png":
        return Response(qr_png(url), mimetype="image/png")
    return Response(qr_svg(url), mimetype="image/svg+xml")


def _shown(link: CheckoutLink, standing: Standing) -> dict[str, object]:
    base = f"{current_app.config['PUBLIC_BASE_URL']}{API_PREFIX}"
    return present_link(link, standing, base=base)
