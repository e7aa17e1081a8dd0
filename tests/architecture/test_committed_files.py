"""What is committed works anywhere, names every setting, and tells of every make target."""

from __future__ import annotations

import re
from pathlib import Path

from config.settings import Settings
from tests.architecture.source import ROOT, committed_files

# Written in two halves, so that this file does not name what it forbids.
FORBIDDEN = {
    "somebody's folder": re.compile(r"(?<![\w.:/-])/(?:home|Users|root|work" + r"space|work)/\w"),
    "an index address": re.compile(
        r"pypi\.or"
        + r"g|pythonhosted\.or"
        + r"g|registry\.npm"
        + r"js|--(?:extra-)?index-"
        + "url "
    ),
    "a private key": re.compile("-----BEGIN (?:RSA |EC )?PRIVATE " + "KEY-----\n[A-Za-z0-9+/]{40}"),
}
MADE_BY_OTHERS = ("admin_ui/static/vendor/", "tests/vectors/")


def test_nothing_committed_belongs_to_one_machine() -> None:
    found = [
        f"{place}: {what}"
        for place, text in _texts()
        for what, pattern in FORBIDDEN.items()
        if pattern.search(text)
    ]

    assert found == []


def test_the_example_lists_exactly_the_settings_there_are() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")

    named = re.findall(r"^([A-Z_]+)=", example, re.MULTILINE)

    assert sorted(named) == sorted(field.upper() for field in Settings.model_fields)


def test_every_make_target_is_told_of() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z]+):.*## ", makefile, re.MULTILINE)
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    told = "\n".join(page.read_text(encoding="utf-8") for page in pages if page.exists())

    targets.remove("help")  # it is what tells of the others
    untold = [target for target in targets if not re.search(rf"\bmake {target}\b", told)]

    assert len(targets) > 5
    assert untold == []


def test_the_lists_of_what_is_installed_are_locked_by_hash() -> None:
    for name in ("requirements.txt", "requirements-dev.txt"):
        locked = (ROOT / name).read_text(encoding="utf-8")

        requirements = re.findall(r"^[a-z0-9][^\n]*(?:\n[ #][^\n]*)*", locked, re.MULTILINE | re.I)

        assert len(requirements) > 30
        assert [line for line in requirements if "--hash=sha256:" not in line] == []


def _texts() -> list[tuple[str, str]]:
    texts = []
    for file in committed_files():
        place = file.relative_to(ROOT).as_posix()
        if place.startswith(MADE_BY_OTHERS) or _is_binary(file):
            continue
        texts.append((place, file.read_text(encoding="utf-8")))
    return texts


def _is_binary(file: Path) -> bool:
    return b"\0" in file.read_bytes()[:8192]
