"""The sub-merchant's own links: its number and relation, and the right to its bills.

The relation is asked by querying an order and a refund that cannot exist: that they are unknown
means that the pair of numbers is known. Nothing is changed at WeChat Pay by any of these calls.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Final

from config.clock import beijing_date, now
from partner.gateway import wechatpay
from partner.models import BillScope, Partner
from partner.wechatpay.errors import FREQUENCY_LIMITED, OutcomeUnknown, Refused
from submerchants.doctor import places as at
from submerchants.doctor.diagnosis import Outcome, Step, fine, missing, open_question
from submerchants.doctor.explain import explain, explain_refusal
from submerchants.doctor.findings import Finding, Link, Who, Words
from submerchants.tenants.models import SubMerchant, TenantState

BILL: Final = "BILL"

_FINISHED_AFTER: Final = timedelta(days=2)

_NO_SUCH_NUMBER: Final = frozenset({"ORDER_NOT_EXIST", "RESOURCE_NOT_EXISTS"})
_NO_BILL: Final = frozenset({"NO_STATEMENT_EXIST", "STATEMENT_CREATING"})
_BILL_RIGHT: Final = explain(message="无权获取该特约商户的账单")
_SUSPENDED: Final = Finding(
    name="suspended_here",
    link=Link.SUB_MCHID,
    missing=Words(
        "该特约商户在本平台已停用，不能发起新的交易。",
        "The sub-merchant is suspended on this platform and starts nothing new.",
    ),
    who=Who.SERVICE_PROVIDER,
    where=Words("本平台：`submerchant resume`", "this platform: `submerchant resume`"),
    how_long=at.AT_ONCE,
)


def number_steps(partner: Partner, sub_merchant: SubMerchant) -> Iterator[Step]:
    """What stands against the number before WeChat Pay is asked."""
    if sub_merchant.state is TenantState.SUSPENDED:
        yield missing(_SUSPENDED, subject=sub_merchant.sub_mchid)
    if sub_merchant.sub_mchid == partner.sp_mchid:
        own = explain(message="子商户mchid不能与自身mchid相同")
        yield missing(own, subject=sub_merchant.sub_mchid)


def relation_step(partner_id: str, sub_mchid: str) -> Step:
    """Whether provider and sub-merchant belong together, as far as queries tell."""
    client = wechatpay(partner_id)
    # Of another shape than any number of ours, so it can name no order and no refund.
    impossible = f"doctor-{secrets.token_hex(12)}"
    asked = (
        lambda: client.transactions.query_by_out_trade_no(
            out_trade_no=impossible, sub_mchid=sub_mchid
        ),
        # An order is answered for even after the relation was ended; a refund is not.
        lambda: client.refunds.query(out_refund_no=impossible, sub_mchid=sub_mchid),
    )
    for ask in asked:
        refused = _refusal(ask)
        if isinstance(refused, OutcomeUnknown) or _is_limited(refused):
            return _not_answered(Link.SUB_MCHID, sub_mchid)
        if refused is not None and refused.code not in _NO_SUCH_NUMBER:
            return missing(explain_refusal(refused), subject=sub_mchid)
    return fine(
        Link.SUB_MCHID,
        zh="微信支付认得这对服务商号和特约商户号。",
        en="WeChat Pay knows this pair of provider and sub-merchant.",
        subject=sub_mchid,
    )


def bill_step(partner: Partner, sub_mchid: str) -> Step:
    """Whether the provider may fetch the sub-merchant's bills."""
    if partner.bill_scope is BillScope.PROVIDER:
        told = Words(
            "账单随服务商的总账单取得，不需要单独授权。",
            "Bills come with the provider's own; no permission of the sub-merchant's is needed.",
        )
        return open_question(Link.PRODUCT, Outcome.NOT_ASKED, told, subject=BILL)
    day = beijing_date(now()) - _FINISHED_AFTER  # yesterday's is being made until ten o'clock
    refused = _refusal(
        lambda: wechatpay(partner.id).bills.apply_trade_bill(day, sub_mchid=sub_mchid)
    )
    if isinstance(refused, OutcomeUnknown) or _is_limited(refused):
        return _not_answered(Link.PRODUCT, BILL)
    if refused is None or refused.code in _NO_BILL:
        return fine(
            Link.PRODUCT,
            zh="服务商可以获取该特约商户的账单。",
            en="The provider may fetch the sub-merchant's bills.",
            subject=BILL,
        )
    # Whatever its words, a missing right to an answer about bills is the right to bills.
    found = _BILL_RIGHT if refused.code == "NO_AUTH" else explain_refusal(refused)
    return missing(found, subject=BILL)


def _refusal(ask: Callable[[], object]) -> Refused | OutcomeUnknown | None:
    try:
        ask()
    except (Refused, OutcomeUnknown) as answer:
        return answer
    return None


def _is_limited(refused: Refused | None) -> bool:
    return refused is not None and refused.code == FREQUENCY_LIMITED


def _not_answered(link: Link, subject: str) -> Step:
    told = Words("微信支付没有回答，请稍后再试。", "WeChat Pay did not answer; ask again later.")
    return open_question(link, Outcome.UNKNOWN, told, subject=subject)
