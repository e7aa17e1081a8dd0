"""Which language a payer reads: Chinese, unless a link or their browser asks for English."""

from __future__ import annotations

from flask import request

from config.i18n import DEFAULT_LANGUAGE, LANGUAGE_COOKIE, LANGUAGE_TAGS, LANGUAGES

_BY_LINK = {"zh": DEFAULT_LANGUAGE, "en": "en"}


def asked_language() -> str | None:
    """What the address at hand asks for, as `?lang=en` does."""
    return _BY_LINK.get(request.args.get("lang", ""))


def page_language() -> str:
    """What was asked for by a link, chosen before, or is what the browser prefers."""
    if (asked := asked_language()) is not None:
        return asked
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    if chosen in LANGUAGES:
        return chosen
    return _BY_LINK[request.accept_languages.best_match(["zh", "en"], default="zh") or "zh"]


def language_tag() -> str:
    """The same, as HTML's `lang` attribute spells it."""
    return LANGUAGE_TAGS[page_language()]
