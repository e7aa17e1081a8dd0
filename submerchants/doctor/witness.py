"""What the tenant's newest orders, refunds and payers prove of links nobody can ask about. Pure.

An order that WeChat Pay took proves every link it needed; a refused one proves the link its refusal
names missing, and nothing else. The newest word on a link counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from config.clock import BEIJING
from submerchants.doctor import places as at
from submerchants.doctor.diagnosis import (
    CHECKOUT,
    REFUND,
    Evidence,
    Outcome,
    Step,
    fine,
    missing,
    open_question,
)
from submerchants.doctor.findings import Finding, Link, Words

# A live call proves the provider's own links better than anything of the past.
_HEARD: Final = frozenset(
    {
        Link.SP_APPID,
        Link.SUB_MCHID,
        Link.SUB_APPID,
        Link.OPENID,
        Link.OAUTH_DOMAIN,
        Link.DIRECTORY,
        Link.RISK_CONTROL,
    }
)
_PROVEN_BY_AN_ORDER: Final = frozenset({Link.SP_APPID, Link.SUB_MCHID, Link.RISK_CONTROL})
_PROVEN_BY: Final[Mapping[str, frozenset[Link]]] = {
    REFUND: frozenset({Link.SUB_MCHID}),
    CHECKOUT: frozenset({Link.OPENID, Link.OAUTH_DOMAIN}),
}
_OPEN: Final = (Outcome.UNKNOWN, Outcome.NOT_ASKED)


def heard(step: Step, evidence: Sequence[Evidence]) -> Step:
    """A link's step, made certain by what happened where it was a question or looked fine."""
    if step.link not in _HEARD or step.outcome is Outcome.MISSING:
        return step
    if step.link is Link.DIRECTORY and step.outcome is Outcome.OK:
        return step  # the page that was named is covered; a payer was at another one
    about = [each for each in evidence if _concerns(each, step)]
    if not about:
        return step
    newest = max(about, key=lambda each: each.at)
    if newest.refusal is not None:
        return _proven_missing(newest, newest.refusal, step.subject)
    return _held(step.link, newest, step.subject) if step.outcome in _OPEN else step


def product_steps(evidence: Sequence[Evidence]) -> Iterator[Step]:
    """One step for each product that anything is known of."""
    told = False
    for each in sorted(evidence, key=lambda one: one.product):
        if each.product == CHECKOUT:
            continue  # a page, not a product
        if each.refusal is None:
            told = True
            yield _held(Link.PRODUCT, each, each.product)
        elif each.refusal.link is Link.PRODUCT:
            told = True
            yield _proven_missing(each, each.refusal, each.product)
    if not told:
        said = Words(
            "产品权限无法查询，以首笔订单为准。",
            "Product permissions cannot be asked; the first order will tell.",
        )
        yield open_question(Link.PRODUCT, Outcome.NOT_ASKED, said, where=at.PRODUCT_MENUS)


def risk_step() -> Step:
    """Restrictions, of which nothing is known before an order was refused or taken."""
    told = Words(
        "收款限制无法查询，以订单为准。", "Restrictions cannot be asked; an order will tell."
    )
    return open_question(Link.RISK_CONTROL, Outcome.UNKNOWN, told)


def _concerns(evidence: Evidence, step: Step) -> bool:
    if evidence.refusal is not None:
        named = evidence.refusal.link is step.link
        is_another = step.link is Link.SUB_APPID and evidence.sub_appid != step.subject
        return named and not is_another
    if step.link is Link.SUB_APPID:
        return step.subject is not None and evidence.sub_appid == step.subject
    return step.link in _PROVEN_BY.get(evidence.product, _PROVEN_BY_AN_ORDER)


def _held(link: Link, evidence: Evidence, subject: str | None) -> Step:
    moment = _moment(evidence.at)
    return fine(
        link,
        zh=f"{moment} 的 {evidence.product} 已经通过。",
        en=f"It held on {moment}, with {evidence.product}.",
        subject=subject,
    )


def _proven_missing(evidence: Evidence, finding: Finding, subject: str | None) -> Step:
    moment, told = _moment(evidence.at), f" ({evidence.said})" if evidence.said else ""
    said = Words(
        f"{finding.missing.zh}依据：{moment} 的 {evidence.product} 未成功{told}；"
        "改好后再试一笔即可确认。",
        f"{finding.missing.en} Seen on {moment} with {evidence.product}{told}; once it is mended, "
        "another one will show it.",
    )
    return missing(finding, said, subject=subject)


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(BEIJING):%Y-%m-%d %H:%M}"
