"""Why two books differ, in the reader's language.

A difference keeps its explanation in English, as the API answers it; one without words here is
shown as it was recorded.
"""

from __future__ import annotations

import re
from typing import Any

from flask_babel import lazy_gettext as _l

from admin_ui.formatting import state_label, yuan

_SENTENCES: tuple[tuple[re.Pattern[str], Any], ...] = tuple(
    (re.compile(recorded), words)
    for recorded, words in (
        (
            r"The bill has this number in more than one row\. One row was counted; this is a .*",
            _l("The bill has this number more than once. One row was counted; this is another."),
        ),
        (
            r"The bill has a reversal that this platform knows nothing of\..*",
            _l("The bill has a reversal that is unknown here. The order is being asked about."),
        ),
        (r"The bill has a reversal of no order here\.", _l("The bill reverses no order of ours.")),
        (
            r"The order was reversed here on (?P<here>[\d-]+), on the bill of (?P<there>[\d-]+)\.",
            _l("The order was reversed here on %(here)s, on the bill of %(there)s."),
        ),
        (
            r"WeChat Pay books this (payment|refund) under this sub-merchant, but .*",
            _l("WeChat Pay books it under this sub-merchant; the order is not one of theirs."),
        ),
        (
            r"The bill has this payment; no order here has its number\..*",
            _l("No order here has its number. Another system may use the same sub_mchid."),
        ),
        (
            r"The bill has a refund of a payment that no order here has\..*",
            _l("It refunds no order here. Another system may use the same sub_mchid."),
        ),
        (
            r"The bill has a refund that was made elsewhere\..*",
            _l("It was made elsewhere, and its number or amount does not fit the order."),
        ),
        (
            r"The (order|refund) is over (?P<ours_fen>\d+) fen, the bill says "
            r"(?P<theirs_fen>\d+)\.",
            _l("Here it is over %(ours_fen)s, the bill says %(theirs_fen)s."),
        ),
        (
            r"The bill has (this|a) (payment|refund).*; .* is (?P<state>[A-Z]+)\. WeChat Pay is .*",
            _l("Here it is %(state)s. WeChat Pay is being asked; the day is compared once more."),
        ),
        (
            r"The (order|refund) and the bill agree on one of .* only\.",
            _l("Our number and WeChat Pay's do not belong together on both sides."),
        ),
        (
            r"The (order|refund) is booked here on (?P<here>[\d-]+), on the bill of "
            r"(?P<there>[\d-]+)\.",
            _l("It is booked here on %(here)s, on the bill of %(there)s."),
        ),
        (
            r"The (order|refund) was \w+ near midnight and stands on the bill of "
            r"(?P<there>[\d-]+)\.",
            _l("It falls near midnight and stands on the bill of %(there)s."),
        ),
        (r"Nothing is missing\.", _l("Nothing is missing.")),
        (
            r"The (order|refund) is \w+ here and is not on the bill of this day\.",
            _l("Our books have it; the bill of this day does not."),
        ),
        (
            r"It was \w+ near midnight; the bill of (?P<there>[\d-]+) will be looked at\.",
            _l("It falls near midnight: the bill of %(there)s will be looked at."),
        ),
        (
            r"The (order|refund) is \w+ here; WeChat Pay's bill books its number under .*",
            _l("WeChat Pay books its number under another sub_mchid. The provider is told."),
        ),
    )
)


def explained(recorded: str) -> str:
    """An explanation, sentence by sentence; as it was recorded where one has no words."""
    told, rest = [], recorded
    while rest:
        found = next(((hit, words) for one, words in _SENTENCES if (hit := one.match(rest))), None)
        if found is None:
            return recorded
        hit, words = found
        told.append(
            str(words) % {name: _part(name, text) for name, text in hit.groupdict().items()}
        )
        rest = rest[hit.end() :].lstrip()
    return " ".join(told)


def _part(name: str, text: str) -> str:
    if name.endswith("_fen"):
        return yuan(int(text))
    return state_label(text) if name == "state" else text
