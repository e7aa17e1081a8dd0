"""Which language a page speaks, and the catalogues behind it.

Chinese unless somebody chose English; the choice is a cookie and nothing else. Catalogues are kept
as `.po` text. `python -m config.i18n` compiles them, `make setup` does so, and an application that
finds stale ones compiles them when it starts.
"""

from __future__ import annotations

import os
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from flask import Flask, has_request_context, request
from flask_babel import Babel

TRANSLATIONS = Path(__file__).resolve().parent / "translations"
DEFAULT_LANGUAGE = "zh_Hans_CN"
LANGUAGES = {"zh_Hans_CN": "中文", "en": "English"}
LANGUAGE_COOKIE = "language"
LANGUAGE_PATH = "/language"  # where every page's switch sends the choice
LANGUAGE_TAGS = {"zh_Hans_CN": "zh-CN", "en": "en"}


def chosen_language() -> str:
    """The language of this request: the reader's choice, else Chinese."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, "") if has_request_context() else ""
    return chosen if chosen in LANGUAGES else DEFAULT_LANGUAGE


def language_tag() -> str:
    """The same, as HTML's `lang` attribute spells it."""
    return LANGUAGE_TAGS[chosen_language()]


def init_i18n(app: Flask) -> None:
    """Wire Babel; times are Beijing's everywhere."""
    compile_catalogues()
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = str(TRANSLATIONS)
    app.config["BABEL_DEFAULT_LOCALE"] = DEFAULT_LANGUAGE
    Babel(
        app,
        locale_selector=chosen_language,
        timezone_selector=lambda: "Asia/Shanghai",
        default_locale=DEFAULT_LANGUAGE,
        default_translation_directories=str(TRANSLATIONS),
    )


def compile_catalogues() -> list[Path]:
    """Compile every catalogue that is older than its text; answers which were written."""
    written = []
    for text in sorted(TRANSLATIONS.glob("*/LC_MESSAGES/*.po")):
        compiled = text.with_suffix(".mo")
        if compiled.exists() and compiled.stat().st_mtime >= text.stat().st_mtime:
            continue
        with text.open("rb") as source:
            catalogue = read_po(source, locale=text.parent.parent.name)
        # Several workers may start at once: each writes its own file, and the last one stays.
        draft = compiled.with_suffix(f".{os.getpid()}.tmp")
        with draft.open("wb") as target:
            write_mo(target, catalogue)
        draft.replace(compiled)
        written.append(compiled)
    return written


if __name__ == "__main__":
    compile_catalogues()
