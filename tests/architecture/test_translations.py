"""Both languages say everything the pages ask for."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

from config.i18n import LANGUAGES, TRANSLATIONS
from tests.architecture.source import ROOT


@pytest.fixture(scope="module")
def asked_for(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """Every text the pages mark for translation."""
    template = tmp_path_factory.mktemp("texts") / "messages.pot"
    program = Path(sys.executable).with_name("pybabel")
    mapping = TRANSLATIONS / "babel.cfg"
    subprocess.run(
        [program, "-q", "extract", "-F", mapping, "-k", "_l", "-o", template, "."],
        cwd=ROOT,
        check=True,
    )
    return read_po(io.BytesIO(template.read_bytes()))


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_nothing_is_left_untranslated(language: str, asked_for: Catalog) -> None:
    path = TRANSLATIONS / language / "LC_MESSAGES" / "messages.po"
    said = read_po(io.BytesIO(path.read_bytes()), locale=language)

    silent = [
        message.id
        for message in asked_for
        if message.id and not _is_said(said, message.id, message.context)
    ]

    assert len(asked_for) > 20
    assert silent == []


@pytest.mark.parametrize(
    "text", sorted(TRANSLATIONS.glob("*/LC_MESSAGES/*.po")), ids=lambda path: path.stem
)
def test_catalogues_are_compiled(text: Path) -> None:
    compiled = text.with_suffix(".mo")

    assert compiled.exists()
    assert compiled.stat().st_mtime >= text.stat().st_mtime


def _is_said(said: Catalog, identifier: str | Sequence[str], context: str | None) -> bool:
    key = identifier if isinstance(identifier, str) else identifier[0]
    message = said.get(key, context)
    if message is None or message.fuzzy:
        return False
    texts = message.string if isinstance(message.string, tuple | list) else (message.string,)
    return all(texts)
