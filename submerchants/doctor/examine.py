"""Walk the whole chain of one sub-merchant, for real, and change nothing at WeChat Pay.

What is stored here is read first; then the provider's own links are asked of WeChat Pay, and only
when they hold, the sub-merchant's. Six short calls at most; no transaction is open meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

from flask import current_app

from config.clock import now
from config.database import release
from config.settings import Settings
from partner.models import Partner
from submerchants.doctor.diagnosis import Diagnosis, Evidence, Outcome, Step, open_question
from submerchants.doctor.findings import Link, Words
from submerchants.doctor.local_links import (
    address_step,
    directory_step,
    openid_steps,
    sp_appid_step,
    sub_appid_steps,
)
from submerchants.doctor.provider_links import provider_steps
from submerchants.doctor.tenant_links import bill_step, number_steps, relation_step
from submerchants.doctor.witness import heard, product_steps, risk_step
from submerchants.tenants.models import SubMerchant
from submerchants.tenants.queries import bindings_of, partner_of

_ORDER = list(Link)


def examine(
    *, sub_merchant: SubMerchant, page_url: str | None = None, evidence: Sequence[Evidence] = ()
) -> Diagnosis:
    """Every link from us to the payer's cashier, as it stands now; never raises for what is found.

    `evidence` is what a floor above saw happen to the sub-merchant's own orders and refunds.
    """
    partner = partner_of(sub_merchant)
    steps = [*_read(partner, sub_merchant, page_url), *product_steps(evidence), risk_step()]
    release()
    steps += _asked(partner, sub_merchant)
    certain = (heard(step, evidence) for step in steps)
    return Diagnosis(
        sp_mchid=partner.sp_mchid,
        sub_mchid=sub_merchant.sub_mchid,
        page_url=page_url,
        examined_at=now(),
        # Sorting keeps the order of steps about one link.
        steps=tuple(sorted(certain, key=lambda step: _ORDER.index(step.link))),
    )


def _read(partner: Partner, sub_merchant: SubMerchant, page_url: str | None) -> Iterator[Step]:
    settings = cast("Settings", current_app.config["SETTINGS"])
    bound = [(row.sub_appid, row.kind) for row in bindings_of(sub_merchant.id)]
    yield address_step(settings)
    yield sp_appid_step(partner.id)
    yield from number_steps(partner, sub_merchant)
    yield from sub_appid_steps(partner.id, bound)
    yield from openid_steps(settings, sub_merchant)
    yield directory_step(sub_merchant, page_url)


def _asked(partner: Partner, sub_merchant: SubMerchant) -> Iterator[Step]:
    provider = list(provider_steps(partner))
    yield from provider
    if any(step.outcome is Outcome.MISSING for step in provider):
        told = Words(
            "服务商的签名通不过之前无从得知。", "Not to be known before the provider's calls pass."
        )
        yield open_question(Link.SUB_MCHID, Outcome.UNKNOWN, told, subject=sub_merchant.sub_mchid)
        return
    yield relation_step(partner.id, sub_merchant.sub_mchid)
    yield bill_step(partner, sub_merchant.sub_mchid)
