"""Which payment directory covers a page, or why none does.

One match on either level is enough: the sub-merchant's own directories or its provider's. When
nothing matches, the answer names the nearest miss, because that is the one a person will mend.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from config.clock import now
from partner.directories import in_force_at
from partner.directories import list_directories as list_provider_directories
from partner.directory_rule import (
    Miss,
    Verdict,
    covers,
    has_hash_route,
    page_directory,
    unreadable_page,
)
from submerchants.directories.configure import list_directories
from submerchants.tenants.models import SubMerchant

Level = Literal["provider", "sub_merchant"]

_HASH_NOTE: Final = (
    " What follows the # never reaches WeChat Pay: only the address before it counts. A "
    "directory that is only a domain suits single-page applications best."
)


@dataclass(frozen=True, slots=True)
class SetDirectory:
    """A directory on one of the two levels."""

    url: str
    level: Level
    set_at: datetime


@dataclass(frozen=True, slots=True)
class DirectoryVerdict:
    """Whether a page is covered. Uncovered, `directory` is the nearest miss, if there is any.

    `in_force_at` is when `directory` counts, or began to.
    """

    covered: bool
    directory: str | None
    level: Level | None
    in_force_at: datetime | None
    explanation: str
    miss: Miss | None = None

    def as_dict(self) -> dict[str, object]:
        """The verdict as commands and the API show it."""
        return {
            "covered": self.covered,
            "directory": self.directory,
            "level": self.level,
            "in_force_at": self.in_force_at.isoformat() if self.in_force_at else None,
            "reason": self.miss.name.lower() if self.miss else None,
            "explanation": self.explanation,
        }


def directory_for(sub_merchant: SubMerchant, page_url: str) -> DirectoryVerdict:
    """Which directory covers this sub-merchant's page now, or why none does."""
    own = (
        SetDirectory(row.url, "sub_merchant", row.set_at) for row in list_directories(sub_merchant)
    )
    shared = (
        SetDirectory(row.url, "provider", row.set_at)
        for row in list_provider_directories(sub_merchant.partner_id)
    )
    return judge([*own, *shared], page_url, now())


def judge(directories: Iterable[SetDirectory], page_url: str, moment: datetime) -> DirectoryVerdict:
    """The verdict over directories of both levels; pure."""
    if (unreadable := unreadable_page(page_url)) is not None:
        return DirectoryVerdict(False, None, None, None, unreadable.explanation, unreadable.miss)
    judged = [(each, _judged(each, page_url, moment)) for each in directories]
    for directory, verdict in judged:
        if verdict.covered:
            return _answer(directory, verdict)
    note = _HASH_NOTE if has_hash_route(page_url) else ""
    if not judged:
        told = f"Not covered: no directory is set. This page needs {page_directory(page_url)}."
        return DirectoryVerdict(False, None, None, None, told + note, Miss.NO_DIRECTORY)
    nearest = min(judged, key=lambda pair: pair[1].miss or 0)
    return _answer(*nearest, note=note)


def _judged(directory: SetDirectory, page_url: str, moment: datetime) -> Verdict:
    verdict = covers(directory.url, page_url)
    counts_from = in_force_at(directory.set_at)
    if not verdict.covered or counts_from <= moment:
        return verdict
    told = (
        f"Not covered yet: {directory.url} fits, and WeChat Pay heeds it from "
        f"{counts_from.isoformat(timespec='seconds')} on."
    )
    return Verdict(False, Miss.NOT_YET_IN_FORCE, told)


def _answer(directory: SetDirectory, verdict: Verdict, note: str = "") -> DirectoryVerdict:
    return DirectoryVerdict(
        covered=verdict.covered,
        directory=directory.url,
        level=directory.level,
        in_force_at=in_force_at(directory.set_at),
        explanation=verdict.explanation + note,
        miss=verdict.miss,
    )
