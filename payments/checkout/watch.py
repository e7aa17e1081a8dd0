"""What a waiting page is told: the truth, asked of WeChat Pay at most every few seconds a link.

However many pages poll, one conditional UPDATE lets one of them ask; the others are told what is
known. An answer that does not come changes nothing: the notification and the sweep go on.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy import or_, update

from config.clock import now
from config.database import changed_rows, transaction
from config.errors import AppError
from config.logs import get_logger
from payments.checkout.models import CheckoutLink
from payments.checkout.standing import Standing, standing_of
from payments.orders.sync import sync_order

ASK_EVERY: Final = timedelta(seconds=3)

log = get_logger(__name__)


def look(link: CheckoutLink) -> Standing:
    """Where the link stands, as fresh as may be."""
    standing = standing_of(link)
    if standing.order is None or not standing.is_worth_asking or not _may_ask(link):
        return standing
    try:
        sync_order(standing.order)
    except AppError as error:
        log.warning("a waiting page could not ask", link_id=link.id, error=error.code)
    return standing_of(link)


def _may_ask(link: CheckoutLink) -> bool:
    moment = now()
    with transaction():
        here = update(CheckoutLink).where(
            CheckoutLink.id == link.id,
            or_(CheckoutLink.asked_at.is_(None), CheckoutLink.asked_at <= moment - ASK_EVERY),
        )
        return changed_rows(here.values(asked_at=moment)) == 1
