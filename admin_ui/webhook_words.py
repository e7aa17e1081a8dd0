"""What went wrong with a webhook, in the reader's language, and what events mean.

Deliveries keep their problem in English, as the API answers it; a sentence without words here is
shown as it was recorded.
"""

from __future__ import annotations

import re
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from payments.webhooks.endpoints import DISABLED_BY_HAND
from payments.webhooks.publish import TEST_EVENT, EventType
from payments.webhooks.record import FAILED_TOO_LONG, FAILING_DAYS, GONE

MEANINGS: dict[str, Any] = {
    EventType.ORDER_PAID: _l("An order is paid"),
    EventType.ORDER_CLOSED: _l("An order is closed unpaid"),
    EventType.ORDER_REVERSED: _l("An order is reversed, the whole amount was given back"),
    EventType.REFUND_SUCCEEDED: _l("A refund has arrived"),
    EventType.REFUND_ABNORMAL: _l("A refund is stuck"),
    EventType.REFUND_CLOSED: _l("A refund is closed, nothing was given back"),
    EventType.RECONCILIATION_COMPLETED: _l("A day is reconciled"),
    EventType.BILL_READY: _l("A day's bill is here"),
    EventType.ENDPOINT_DISABLED: _l("An endpoint was disabled after failing"),
    TEST_EVENT: _l("A test, sent by hand"),
}
_WHOLE: dict[str, Any] = {
    DISABLED_BY_HAND: _l("Disabled on request."),
    GONE: _l("The receiver answered 410 Gone: it does not want to be called again."),
    "Answered 410: the endpoint is gone.": _l("Answered 410: the endpoint is gone."),
    "A fault of the platform's.": _l("A fault of the platform's."),
    "The host's name cannot be resolved.": _l("The host's name cannot be resolved."),
    "The connection was refused.": _l("The connection was refused."),
    "The connection ended before an answer came.": _l(
        "The connection ended before an answer came."
    ),
    "The host cannot be reached.": _l("The host cannot be reached."),
    "The answer is not HTTP/1.1.": _l("The answer is not HTTP/1.1."),
    "The host has no address.": _l("The host has no address."),
    "The host's address is not a public one.": _l("The host's address is not a public one."),
    "The URL must begin with https://.": _l("The URL must begin with https://."),
    "The URL must not carry a user name or password.": _l(
        "The URL must not carry a user name or password."
    ),
    "The URL must not have a fragment (#…).": _l("The URL must not have a fragment (#…)."),
    "The URL cannot be read. Check host and port.": _l(
        "The URL cannot be read. Check host and port."
    ),
}
_ANSWERED = re.compile(r"Answered (\d{3}); any 2xx is receipt\.")
_REDIRECTED = re.compile(r"Answered (\d{3}): redirects are not followed\..*")
_LATE = re.compile(r"No whole answer within ([\d.]+) seconds\.")
_CERTIFICATE = re.compile(r"The certificate is not accepted: (.*)\.")
_PORTS = re.compile(r"Webhooks go to the ports (.*) only\.")


def meaning(event_type: str) -> Any:
    """What an event tells, in a few words."""
    return MEANINGS.get(event_type, event_type)


def problem(text: str | None) -> str:
    """Why a try failed, or why an endpoint is disabled or refused."""
    if not text:
        return ""
    if text.startswith(FAILED_TOO_LONG):
        last = problem(text.removeprefix(FAILED_TOO_LONG))
        return str(
            _(
                "Nothing was received for %(days)s days; the last problem: %(last)s",
                days=FAILING_DAYS,
                last=last,
            )
        )
    return str(_WHOLE.get(text) or _with_a_part(text) or text)


def _with_a_part(text: str) -> Any:
    if found := _ANSWERED.fullmatch(text):
        return _("Answered %(status)s; any 2xx is receipt.", status=found[1])
    if found := _REDIRECTED.fullmatch(text):
        return _(
            "Answered %(status)s: redirects are not followed. Give the final address.",
            status=found[1],
        )
    if found := _LATE.fullmatch(text):
        return _("No whole answer within %(seconds)s seconds.", seconds=found[1])
    if found := _CERTIFICATE.fullmatch(text):
        return _("The certificate is not accepted: %(why)s", why=found[1])
    if found := _PORTS.fullmatch(text):
        return _("Webhooks go to the ports %(ports)s only.", ports=found[1])
    return None
