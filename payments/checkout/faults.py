"""Why a payer could not pay: recognised, written down for whoever can mend it, told to the payer.

The payer reads one sentence and a reference number. The finding (what is missing, who mends it,
where, how long it takes) goes to the log, into the audit trail and onto the link, where its tenant
sees it. What WeChat says in its refusals and shows in its boxes is known to
`submerchants.doctor`; what only this page can see is added here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import or_, update

from config import audit
from config.clock import now, rfc3339
from config.database import changed_rows, transaction
from config.errors import AppError
from config.logs import get_logger
from payments.checkout.errors import CannotBePaid
from payments.checkout.links import OBJECT_KIND
from payments.checkout.models import CheckoutLink
from payments.errors import PageNotCovered, WeChatPayRefused
from submerchants.doctor import places
from submerchants.doctor.explain import UNCOVERED_PAGE, explain
from submerchants.doctor.findings import Finding, Link, Who, Words

LONGEST_TOLD: Final = 200
_TOKEN: Final = re.compile(r"(?<=/checkout/)[0-9a-z]{32}")
SAME_AGAIN_AFTER: Final = timedelta(minutes=1)  # how often one fault of one link is written down

log = get_logger(__name__)

NUMBER_TAKEN: Final = Finding(
    name="number_taken",
    link=Link.REQUEST,
    missing=Words(
        "商户已用同一单号另下了订单，此链接已作废。",
        "Another order was placed under the link's merchant_order_no, so the link was cancelled.",
    ),
    who=Who.DEVELOPER,
    where=places.IN_THE_CALL,
    how_long=places.AT_ONCE,
)
ACCOUNT_CHANGED: Final = Finding(
    name="account_changed",
    link=Link.SP_APPID,
    missing=Words(
        "链接创建后，服务商更换了默认 AppID；请重新创建链接。",
        "The provider's default appid changed after the link was made; make the link anew.",
    ),
    who=Who.DEVELOPER,
    where=places.IN_THE_CALL,
    how_long=places.AT_ONCE,
)
SECRET_MISSING: Final = Finding(
    name="app_secret_missing",
    link=Link.OPENID,
    missing=Words(
        "链接所用公众号的 AppSecret 已不在本平台，无法识别付款人。",
        "The app secret of the link's official account is gone, so payers cannot become known.",
    ),
    who=Who.SERVICE_PROVIDER,
    where=places.OUR_CONSOLE,
    how_long=places.AT_ONCE,
)
NEVER_CAME_BACK: Final = Finding(
    name="sign_in_never_came_back",
    link=Link.OAUTH_DOMAIN,
    missing=Words(
        "付款人被送去微信授权，却没有回来：多半是网页授权域名未配置（10003），"
        "或公众号没有该 scope 权限（10005）。",
        "Payers were sent to WeChat's sign-in and did not come back: most often the page's host is "
        "not the account's 网页授权域名 (10003), or the account lacks the scope (10005).",
    ),
    who=Who.SERVICE_PROVIDER,
    where=places.OAUTH_SETTINGS,
    how_long=places.AT_ONCE,
)


def finding_of(error: AppError) -> Finding | None:
    """What an error says is missing; None when waiting or trying again is all it takes."""
    if isinstance(error, CannotBePaid):
        return error.finding
    if isinstance(error, PageNotCovered):
        return UNCOVERED_PAGE
    if isinstance(error, WeChatPayRefused):
        told: Any = error.detail.get("wechatpay")
        if isinstance(told, Mapping):
            return explain(
                code=str(told.get("code") or ""),
                message=str(told.get("message") or ""),
                request_id=str(told.get("request_id") or ""),
            )
    return None


def note_fault(link: CheckoutLink, finding: Finding, *, told: str, reference: str) -> None:
    """Write down why somebody could not pay. `told` is WeChat's own text, `reference` the number
    the payer was shown."""
    shown = {
        "code": finding.name,
        "message": finding.missing.en,
        "finding": finding.as_dict(),
        "told": _plain(told),
        "reference": reference,
        "seen_at": rfc3339(now()),
    }
    log.warning("a payer could not pay", link_id=link.id, **shown)
    same_again = link.problem is not None and _is_recent(link.problem, finding)
    if same_again:
        return
    with transaction():
        here = update(CheckoutLink).where(
            CheckoutLink.id == link.id,
            or_(CheckoutLink.problem.is_(None), CheckoutLink.problem == link.problem),
        )
        text = json.dumps(shown, ensure_ascii=False)
        if changed_rows(here.values(problem=text)):
            audit.record(
                "checkout_link.problem",
                object_kind=OBJECT_KIND,
                object_id=link.id,
                tenant_id=link.sub_merchant_id,
                result="failed",
                problem=finding.name,
                who=finding.who.value,
                reference=reference,
            )


def _is_recent(problem: str, finding: Finding) -> bool:
    before = json.loads(problem)
    since = rfc3339(now() - SAME_AGAIN_AFTER)
    return before["code"] == finding.name and str(before["seen_at"]) > since


def _plain(text: str) -> str:
    """Somebody else's text as one short line."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    # WeChat quotes the page's address, and the token in it opens the page for anybody.
    return _TOKEN.sub("…", line)[:LONGEST_TOLD]
