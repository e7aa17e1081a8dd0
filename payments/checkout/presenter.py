"""The public shape of a link."""

from __future__ import annotations

import json

from config.clock import present_moment
from payments.checkout.links import page_url
from payments.checkout.models import CheckoutLink
from payments.checkout.standing import LinkState, Standing
from payments.orders.presenter import present_order


def present_link(link: CheckoutLink, standing: Standing, *, base: str) -> dict[str, object]:
    """A link as its tenant sees it; `base` is where the API's own addresses begin."""
    is_paid = standing.state is LinkState.PAID
    return {
        "id": link.id,
        "object": "checkout_link",
        "url": page_url(link),
        "qr_code_url": f"{base}/checkout-links/{link.id}/qr-code",
        "state": standing.state.value,
        "merchant_order_no": link.merchant_order_no,
        "description": link.description,
        "amount_fen": link.amount_fen,
        "currency": link.currency,
        "attach": link.attach,
        "profit_sharing": link.profit_sharing,
        "appid": link.appid,
        "order": present_order(standing.order) if standing.order is not None else None,
        "problem": json.loads(link.problem) if link.problem and not is_paid else None,
        "expires_at": present_moment(link.expires_at),
        "cancelled_at": present_moment(link.cancelled_at),
        "created_at": present_moment(link.created_at),
    }
