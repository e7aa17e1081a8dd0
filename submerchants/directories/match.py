"""Which payment directory covers a page, or why none does and what to enter where.

One match on either level is enough: the sub-merchant's own directories or its provider's. When
nothing matches, the answer names the nearest miss, because that is the one a person will mend.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from config.clock import now
from config.words import Words
from partner.directories import MAX_DIRECTORIES, in_force_at
from partner.directories import list_directories as list_provider_directories
from partner.directory_rule import Miss, Verdict, covers, read_page
from partner.page_address import Address
from submerchants.directories.configure import list_directories
from submerchants.directories.page_notes import notes_on
from submerchants.tenants.models import SubMerchant

Level = Literal["provider", "sub_merchant"]

LEVELS: Final[dict[Level, Words]] = {
    "sub_merchant": Words("特约商户自己的目录", "the sub-merchant's own level"),
    "provider": Words("服务商的目录", "the provider's level, for all its sub-merchants"),
}


@dataclass(frozen=True, slots=True)
class SetDirectory:
    """A directory on one of the two levels."""

    url: str
    level: Level
    set_at: datetime


@dataclass(frozen=True, slots=True)
class ToEnter:
    """A directory that would cover the page, letter for letter, and what else it would cover."""

    url: str
    covers: Words


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryVerdict:
    """Whether a page is covered. Uncovered, `directory` is the nearest miss, if there is any.

    `in_force_at` is when `directory` counts, or began to. `to_enter` is what would mend it, on
    either level that has an entry left.
    """

    covered: bool
    said: Words
    directory: str | None = None
    level: Level | None = None
    in_force_at: datetime | None = None
    miss: Miss | None = None
    page_directory: str | None = None
    notes: tuple[Words, ...] = ()
    to_enter: tuple[ToEnter, ...] = ()
    entries_left: tuple[tuple[Level, int], ...] = ()

    @property
    def explanation(self) -> str:
        """Why or why not, in English."""
        return self.said.en

    def lines(self, language: str = "en") -> list[str]:
        """The verdict as a person at a terminal reads it."""
        heading = Words("可登记", "enter").in_language(language)
        remark = Words("注意", "note").in_language(language)
        left = Words("剩余条数", "entries left").in_language(language)
        counts = (f"{LEVELS[level].in_language(language)}: {n}" for level, n in self.entries_left)
        return [
            self.said.in_language(language),
            *(
                f"{heading}  {each.url}  {each.covers.in_language(language)}"
                for each in self.to_enter
            ),
            *([f"{left}  {'; '.join(counts)}"] if self.to_enter else []),
            *(f"{remark}  {note.in_language(language)}" for note in self.notes),
        ]

    def as_dict(self, language: str = "en") -> dict[str, object]:
        """The verdict as commands and the API show it."""
        return {
            "covered": self.covered,
            "directory": self.directory,
            "level": self.level,
            "in_force_at": self.in_force_at.isoformat() if self.in_force_at else None,
            "reason": self.miss.name.lower() if self.miss else None,
            "explanation": self.said.in_language(language),
            "page_directory": self.page_directory,
            "notes": [note.in_language(language) for note in self.notes],
            "to_enter": [
                {"url": each.url, "covers": each.covers.in_language(language)}
                for each in self.to_enter
            ],
            "entries_left": dict(self.entries_left),
        }


def directory_for(sub_merchant: SubMerchant, page_url: str) -> DirectoryVerdict:
    """Which directory covers this sub-merchant's page now, or why none does."""
    return judge(directories_of(sub_merchant), page_url, now())


def directories_of(sub_merchant: SubMerchant) -> list[SetDirectory]:
    """The directories of both levels, the sub-merchant's own first."""
    own = (
        SetDirectory(row.url, "sub_merchant", row.set_at) for row in list_directories(sub_merchant)
    )
    shared = (
        SetDirectory(row.url, "provider", row.set_at)
        for row in list_provider_directories(sub_merchant.partner_id)
    )
    return [*own, *shared]


def judge(directories: Iterable[SetDirectory], page_url: str, moment: datetime) -> DirectoryVerdict:
    """The verdict over directories of both levels; pure."""
    present = list(directories)
    left, page = _entries_left(present), read_page(page_url)
    if isinstance(page, Verdict):
        return DirectoryVerdict(covered=False, said=page.said, miss=page.miss, entries_left=left)
    judged = [(each, _judged(each, page_url, moment)) for each in present]
    covering = next((pair for pair in judged if pair[1].covered), None)
    directory, verdict = covering or min(
        judged, key=lambda pair: pair[1].miss or 0, default=(None, _none_set(page))
    )
    return DirectoryVerdict(
        covered=verdict.covered,
        said=verdict.said,
        directory=directory.url if directory else None,
        level=directory.level if directory else None,
        in_force_at=in_force_at(directory.set_at) if directory else None,
        miss=verdict.miss,
        page_directory=page.full_directory,
        notes=notes_on(page),
        to_enter=() if verdict.covered else _to_enter(verdict, page),
        entries_left=left,
    )


def _judged(directory: SetDirectory, page_url: str, moment: datetime) -> Verdict:
    verdict = covers(directory.url, page_url)
    if not verdict.covered:
        return verdict
    counts_from, level = in_force_at(directory.set_at), LEVELS[directory.level]
    at = counts_from.isoformat(timespec="seconds")
    if counts_from <= moment:
        said = Words(
            f"{verdict.said.zh}{level.zh}，自 {at} 起生效。",
            f"{verdict.said.en} It is set on {level.en}, and in force since {at}.",
        )
        return Verdict(True, None, said)
    said = Words(
        f"尚未覆盖：{directory.url}（{level.zh}）匹配，微信支付从 {at} 起认它。",
        f"Not covered yet: {directory.url} on {level.en} fits, and WeChat Pay heeds it from {at} "
        "on.",
    )
    return Verdict(False, Miss.NOT_YET_IN_FORCE, said)


def _none_set(page: Address) -> Verdict:
    needed = page.full_directory
    said = Words(
        f"未覆盖：没有登记任何目录。这个页面需要 {needed}。",
        f"Not covered: no directory is set. This page needs {needed}.",
    )
    return Verdict(False, Miss.NO_DIRECTORY, said)


def _to_enter(verdict: Verdict, page: Address) -> tuple[ToEnter, ...]:
    if verdict.miss is Miss.NOT_YET_IN_FORCE:
        return ()  # it is entered already: waiting mends it
    domain = ToEnter(
        f"{page.origin}/",
        Words(
            "该域名下的所有页面，包括单页应用的所有视图",
            "every page of the domain, and every view of a single-page application",
        ),
    )
    if page.directory == "/":
        return (domain,)
    exact = ToEnter(
        page.full_directory,
        Words("只有紧挨在这个目录里的页面", "only the pages right inside this directory"),
    )
    return (exact, domain)


def _entries_left(directories: Iterable[SetDirectory]) -> tuple[tuple[Level, int], ...]:
    used = Counter(each.level for each in directories)
    return tuple((level, max(0, MAX_DIRECTORIES - used[level])) for level in LEVELS)
