"""Who came back from WeChat's sign-in: each state counts once, and who it was is kept for a while.

The openid stays here. A page reloaded, or a code used a second time, finds it by the browser that
brought it, so nobody is sent through the sign-in twice for the same link.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy import delete, select, update

from config.clock import now
from config.database import changed_rows, db, release, transaction
from config.identifiers import new_id
from config.inserts import insert_new
from payments.checkout.browser import Visitor, hash_of_state
from payments.checkout.models import CheckoutLink, CheckoutVisit
from submerchants.tenancy import across_tenants

KNOWN_FOR: Final = timedelta(hours=2)
FORGOTTEN_AT_ONCE: Final = 1_000
FORGETTING_ROUNDS: Final = 100


def begin_visit(*, link: CheckoutLink, visitor: Visitor, state: str) -> CheckoutVisit | None:
    """Use up a state; None when it was used before."""
    moment = now()
    values = {
        "id": new_id("vis"),
        "sub_merchant_id": link.sub_merchant_id,
        "link_id": link.id,
        "state_hash": hash_of_state(state),
        "browser_hash": visitor.hash,
        "openid": None,
        "ends_at": moment + KNOWN_FOR,
        "created_at": moment,
    }
    with transaction():
        if not insert_new(CheckoutVisit, values, unique=("state_hash",)):
            return None
        return db.session.get_one(CheckoutVisit, values["id"])


def name_payer(visit: CheckoutVisit, openid: str) -> None:
    """Write who it was."""
    with transaction():
        changed_rows(
            update(CheckoutVisit).where(CheckoutVisit.id == visit.id).values(openid=openid)
        )


def known_openid(link: CheckoutLink, visitor: Visitor) -> str | None:
    """Whose browser this is, when they came to this link not long ago."""
    if visitor.is_new:
        return None
    newest = (
        select(CheckoutVisit.openid)
        .where(
            CheckoutVisit.link_id == link.id,
            CheckoutVisit.browser_hash == visitor.hash,
            CheckoutVisit.openid.is_not(None),
            CheckoutVisit.ends_at > now(),
        )
        .order_by(CheckoutVisit.created_at.desc(), CheckoutVisit.id.desc())
        .limit(1)
    )
    return db.session.scalar(newest)


def forget_old_visits() -> dict[str, object]:
    """Drop visits that are over; a job calls this."""
    forgotten = 0
    over = (
        select(CheckoutVisit.id)
        .where(CheckoutVisit.ends_at <= now())
        .order_by(CheckoutVisit.ends_at)
        .limit(FORGOTTEN_AT_ONCE)
    )
    with across_tenants("visits are forgotten by age alone"):
        for _ in range(FORGETTING_ROUNDS):
            ids = db.session.scalars(over).all()
            release()
            if not ids:
                break
            with transaction():
                forgotten += changed_rows(delete(CheckoutVisit).where(CheckoutVisit.id.in_(ids)))
    return {"forgotten": forgotten}
