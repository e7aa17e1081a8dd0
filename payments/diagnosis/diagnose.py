"""What a tenant's own newest orders, refunds and payers say of its links to WeChat Pay.

The newest of each way to pay counts, among the last few hundred: one that WeChat Pay took proves
its links, one that it refused names the missing one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from sqlalchemy import select

from config.database import db
from payments.checkout.faults import NEVER_CAME_BACK, SECRET_MISSING
from payments.checkout.models import CheckoutLink
from payments.orders.models import Order, OrderState
from payments.refunds.models import Refund
from submerchants.doctor.diagnosis import CHECKOUT, REFUND, Diagnosis, Evidence
from submerchants.doctor.examine import examine
from submerchants.doctor.explain import explain_kept, finding_named
from submerchants.tenancy import acting_for
from submerchants.tenants.models import SubMerchant

LOOKED_AT: Final = 200  # orders, refunds and checkout links, of each

_OF_THE_PAGE: Final = {each.name: each for each in (NEVER_CAME_BACK, SECRET_MISSING)}


def diagnose(*, sub_merchant: SubMerchant, page_url: str | None = None) -> Diagnosis:
    """Walk the whole chain of a sub-merchant; asks WeChat Pay, and changes nothing there."""
    with acting_for(sub_merchant.id):
        evidence = [*_newest(_orders()), *_newest(_refunds()), *_payers()]
        return examine(sub_merchant=sub_merchant, page_url=page_url, evidence=evidence)


def _newest(told: Iterable[Evidence]) -> Iterator[Evidence]:
    seen: set[str] = set()
    for each in told:
        if each.product not in seen:
            seen.add(each.product)
            yield each


def _orders() -> Iterator[Evidence]:
    columns = (
        Order.trade_type,
        Order.created_at,
        Order.sub_appid,
        Order.state,
        Order.prepaid_at,
        Order.last_refusal,
    )
    newest = select(*columns).order_by(Order.created_at.desc(), Order.id.desc()).limit(LOOKED_AT)
    for row in db.session.execute(newest):
        was_taken = row.prepaid_at is not None or row.state is OrderState.PAID
        if row.last_refusal is not None or was_taken:
            yield _evidence(row.trade_type.value, row.created_at, row.sub_appid, row.last_refusal)


def _refunds() -> Iterator[Evidence]:
    columns = (Refund.created_at, Refund.accepted_at, Refund.last_refusal)
    newest = select(*columns).order_by(Refund.created_at.desc(), Refund.id.desc()).limit(LOOKED_AT)
    for row in db.session.execute(newest):
        if row.accepted_at is not None:
            yield _evidence(REFUND, row.created_at, None, None)
        elif row.last_refusal is not None:
            yield _evidence(REFUND, row.created_at, None, row.last_refusal)


def _payers() -> Iterator[Evidence]:
    """The last payer who became known on our page and could order, and the last who could not."""
    columns = (CheckoutLink.problem, Order.created_at)
    newest = select(*columns).outerjoin(Order, Order.id == CheckoutLink.order_id)
    newest = newest.order_by(CheckoutLink.created_at.desc(), CheckoutLink.id.desc())
    rows = db.session.execute(newest.limit(LOOKED_AT)).all()
    ordered = [row.created_at for row in rows if row.created_at is not None]
    if ordered:
        yield Evidence(product=CHECKOUT, at=max(ordered))
    problems = [json.loads(row.problem) for row in rows if row.problem is not None]
    if problems:
        last = max(problems, key=lambda problem: str(problem["seen_at"]))
        finding = finding_named(last["code"]) or _OF_THE_PAGE.get(last["code"])
        if finding is not None:
            at, said = datetime.fromisoformat(last["seen_at"]), str(last["told"])
            yield Evidence(product=CHECKOUT, at=at, refusal=finding, said=said)


def _evidence(
    product: str, moment: datetime, sub_appid: str | None, last_refusal: str | None
) -> Evidence:
    if last_refusal is None:
        return Evidence(product=product, at=moment, sub_appid=sub_appid)
    kept = json.loads(last_refusal)
    return Evidence(
        product=product,
        at=moment,
        sub_appid=sub_appid,
        refusal=explain_kept(last_refusal),
        said=f"{kept['code']} {kept['message']}".rstrip(),
    )
