"""Whose turn it is to pay: one payer at a time, each with a number of their own at WeChat Pay.

An order belongs to the openid it was placed for, so a second payer needs a second number. The
first one's is closed at WeChat Pay before that, and believed closed only when WeChat Pay says so.
Who comes next is decided by one conditional UPDATE on the link: of any number of payers at once one
gets the turn, and the others look again. Nobody is handed parameters for a turn that passed on.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy import select, update

from config import audit
from config.clock import now
from config.database import changed_rows, db, transaction
from config.errors import AppError
from config.identifiers import new_id
from config.logs import get_logger
from partner.credentials import default_appid
from payments.checkout import faults
from payments.checkout.errors import CannotBePaid, LinkBusy, LinkNotPayable, TooManyPayers
from payments.checkout.links import OBJECT_KIND, Found, is_page_checked, page_url
from payments.checkout.models import CheckoutAttempt, CheckoutLink
from payments.checkout.standing import LinkState, Turn, standing_of
from payments.errors import OrderAlreadyPaid, OrderConflict
from payments.orders.create import SHORTEST_LIFE, OrderRequest, create_order
from payments.orders.models import Order, OrderState
from payments.orders.sync import close_order

# Longer than any call to WeChat Pay may take: an order still unopened after it is not on its way.
PLACING: Final = timedelta(seconds=20)
MAX_TURNS: Final = 99
MAX_ROUNDS: Final = 4

log = get_logger(__name__)


def take_turn(found: Found, *, openid: str) -> Order:
    """This payer's order, known to WeChat Pay; the same one however often they ask.

    Raises LinkNotPayable, LinkBusy while another payer's order is being opened, TooManyPayers,
    CannotBePaid, and what placing and closing an order raise.
    """
    link = found.link
    for _ in range(MAX_ROUNDS):
        standing = standing_of(link)
        if standing.is_final:
            raise LinkNotPayable(state=standing.state.value)
        turn = standing.turn
        if turn is not None and _is_theirs(turn, openid):
            return turn.order or _placed(found, turn.attempt)
        if turn is not None and not _has_ended(found, turn):
            continue
        attempt = _claim(link, openid, before=turn.attempt.number if turn else 0)
        if attempt is not None:
            return _placed(found, attempt)
    raise LinkBusy


def number_of(link: CheckoutLink, turn: int) -> str:
    """The tenant's number as the order of a turn bears it: `A1`, then `A1*2`, `A1*3`."""
    return link.merchant_order_no if turn == 1 else f"{link.merchant_order_no}*{turn}"


def _is_theirs(turn: Turn, openid: str) -> bool:
    return turn.attempt.openid == openid and turn.attempt.superseded_at is None


def _has_ended(found: Found, turn: Turn) -> bool:
    """End another payer's turn; False when the link must be looked at again.

    Raises LinkBusy while their order may be on its way to WeChat Pay.
    """
    order = turn.order or _unattached(found, turn.attempt)
    if order is None:
        if now() < turn.attempt.created_at + PLACING:
            raise LinkBusy
        return True
    if order.state is OrderState.CREATED and now() < order.created_at + PLACING:
        raise LinkBusy
    if order.state is OrderState.CLOSED:
        return turn.attempt.superseded_at is not None
    _note_superseded(found.link, turn.attempt)
    _attach(found.link, turn.attempt, order)
    try:
        close_order(order)
    except OrderAlreadyPaid:
        return False
    return True


def _note_superseded(link: CheckoutLink, attempt: CheckoutAttempt) -> None:
    with transaction():
        here = update(CheckoutAttempt).where(
            CheckoutAttempt.id == attempt.id, CheckoutAttempt.superseded_at.is_(None)
        )
        if changed_rows(here.values(superseded_at=now())):
            _audit("superseded", link, attempt)


def _claim(link: CheckoutLink, openid: str, *, before: int) -> CheckoutAttempt | None:
    """The next turn for this payer; None when somebody else was faster."""
    if before >= MAX_TURNS:
        raise TooManyPayers
    moment = now()
    if link.expires_at - moment < SHORTEST_LIFE:
        raise LinkNotPayable(state=LinkState.EXPIRED.value)
    attempt = CheckoutAttempt(
        id=new_id("att"),
        sub_merchant_id=link.sub_merchant_id,
        link_id=link.id,
        number=before + 1,
        openid=openid,
        created_at=moment,
    )
    with transaction() as session:
        here = update(CheckoutLink).where(
            CheckoutLink.id == link.id,
            CheckoutLink.attempts == before,
            CheckoutLink.cancelled_at.is_(None),
        )
        if not changed_rows(here.values(attempts=before + 1)):
            return None
        session.add(attempt)
        _audit("turn_taken", link, attempt)
    return attempt


def _placed(found: Found, attempt: CheckoutAttempt) -> Order:
    try:
        order = create_order(
            sub_merchant=found.sub_merchant,
            partner=found.partner,
            request=_request(found, attempt),
        ).order
    except OrderConflict as conflict:
        _give_up(found.link)
        raise CannotBePaid(faults.NUMBER_TAKEN) from conflict
    except AppError:
        # It may be known at WeChat Pay all the same: whoever comes next must find and close it.
        if (kept := _unattached(found, attempt)) is not None:
            _attach(found.link, attempt, kept)
        raise
    if not _attach(found.link, attempt, order):
        log.info("a turn passed on while its order was placed", order_id=order.id)
        close_order(order)
        raise LinkBusy
    return order


def _request(found: Found, attempt: CheckoutAttempt) -> OrderRequest:
    link = found.link
    if not link.is_sub_appid and default_appid(found.partner) != link.appid:
        raise CannotBePaid(faults.ACCOUNT_CHANGED)
    return OrderRequest(
        merchant_order_no=number_of(link, attempt.number),
        description=link.description,
        amount_fen=link.amount_fen,
        currency=link.currency,
        sp_openid=None if link.is_sub_appid else attempt.openid,
        sub_openid=attempt.openid if link.is_sub_appid else None,
        sub_appid=link.appid if link.is_sub_appid else None,
        page_url=page_url(link) if is_page_checked() else None,
        expires_at=link.expires_at,
        attach=link.attach,
        profit_sharing=link.profit_sharing,
    )


def _unattached(found: Found, attempt: CheckoutAttempt) -> Order | None:
    """The order of a turn that was cut off before it was written down."""
    request = _request(found, attempt)
    here = select(Order).where(
        Order.merchant_order_no == request.merchant_order_no,
        Order.request_hash == request.digest(),  # the tenant's own order of that number is not ours
    )
    return db.session.scalars(here).one_or_none()


def _attach(link: CheckoutLink, attempt: CheckoutAttempt, order: Order) -> bool:
    """Write which order the turn came to; False when the turn is over or the link cancelled."""
    with transaction():
        unwritten = update(CheckoutAttempt).where(
            CheckoutAttempt.id == attempt.id, CheckoutAttempt.order_id.is_(None)
        )
        changed_rows(unwritten.values(order_id=order.id))
        in_force = update(CheckoutLink).where(
            CheckoutLink.id == link.id,
            CheckoutLink.attempts == attempt.number,
            CheckoutLink.cancelled_at.is_(None),
        )
        return changed_rows(in_force.values(order_id=order.id)) == 1


def _give_up(link: CheckoutLink) -> None:
    # The tenant placed another order under this number. Two payable orders for one purchase would
    # charge twice, so the link is the one that goes.
    with transaction():
        here = update(CheckoutLink).where(
            CheckoutLink.id == link.id, CheckoutLink.cancelled_at.is_(None)
        )
        if changed_rows(here.values(cancelled_at=now())):
            audit.record(
                "checkout_link.cancelled",
                object_kind=OBJECT_KIND,
                object_id=link.id,
                tenant_id=link.sub_merchant_id,
                reason=faults.NUMBER_TAKEN.name,
            )


def _audit(what: str, link: CheckoutLink, attempt: CheckoutAttempt) -> None:
    audit.record(
        f"checkout_link.{what}",
        object_kind=OBJECT_KIND,
        object_id=link.id,
        tenant_id=link.sub_merchant_id,
        turn=attempt.number,
    )
