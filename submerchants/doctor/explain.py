"""From what WeChat Pay said to what is missing: one look into the tables. Pure.

The text is looked at first, because one code covers many causes; then the internal number at the
end of the Request-ID; then the code. A refusal that no table knows is told as such, never guessed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from partner.wechatpay.errors import Refused, canonical_code, internal_number
from submerchants.doctor import places
from submerchants.doctor.binding_table import BINDING
from submerchants.doctor.findings import Finding, Link, Who, Words
from submerchants.doctor.order_table import ORDERS
from submerchants.doctor.payer_table import SHOWN_TO_PAYERS
from submerchants.doctor.symptoms import Known

TABLE: Final[tuple[Known, ...]] = (*BINDING, *ORDERS, *SHOWN_TO_PAYERS)

_BY_CODE: Final[Mapping[str, Finding]] = {
    code: known.finding for known in TABLE for code in known.codes
}
_BY_NUMBER: Final[Mapping[int, Finding]] = {
    number: known.finding for known in TABLE for number in known.numbers
}
_BY_NAME: Final[Mapping[str, Finding]] = {known.finding.name: known.finding for known in TABLE}
_UNKNOWN: Final = Finding(
    name="not_known",
    link=Link.WECHATPAY,
    missing=Words(
        "微信支付拒绝了请求，原因以其返回的文字为准。",
        "WeChat Pay refused for a reason that is not in our tables; go by its own words.",
    ),
    who=Who.WECHATPAY_SUPPORT,
    where=places.SUPPORT,
    how_long=places.UNSAID,
)
_BUSY: Final = _BY_CODE["SYSTEM_ERROR"]
_WIDEST: Final = _BY_CODE["PARAM_ERROR"]


def explain(
    *,
    code: str = "",
    message: str = "",
    request_id: str | None = None,
    status: int | None = None,
) -> Finding:
    """What is missing, by whatever is known of a refusal; always answers.

    `code` is WeChat Pay's in any spelling, or an OAuth error number such as `"10003"`. `message` is
    its text, or the text WeChat showed the payer.
    """
    said = _folded(message)
    for known in TABLE:
        if any(_folded(text) in said for text in known.texts):
            return known.finding
    named = (_BY_NUMBER.get(internal_number(request_id)), _BY_CODE.get(canonical_code(code)))
    found = [finding for finding in named if finding is not None]
    if not found:
        return _BUSY if status is not None and status >= 500 else _UNKNOWN
    # "Illegal parameter" is the number of many refusals; whichever of the two says more is taken.
    return min(found, key=lambda finding: finding is _WIDEST)


def explain_refusal(refusal: Refused) -> Finding:
    """What a refusal of WeChat Pay's interface says is missing."""
    return explain(
        code=refusal.code,
        message=refusal.message,
        request_id=refusal.request_id,
        status=refusal.status,
    )


def explain_kept(last_refusal: str) -> Finding:
    """What a refusal says that a row keeps as JSON of status, code, message and request_id."""
    kept = json.loads(last_refusal)
    return explain(
        code=str(kept.get("code") or ""),
        message=str(kept.get("message") or ""),
        request_id=kept.get("request_id"),
        status=kept.get("status"),
    )


def finding_named(name: str) -> Finding | None:
    """The finding of this name in the tables."""
    return _BY_NAME.get(name)


def _folded(text: str) -> str:
    return "".join(text.split()).casefold()


# By the text that WeChat shows a payer on such a page.
UNCOVERED_PAGE: Final = explain(message="当前页面的URL未注册")
