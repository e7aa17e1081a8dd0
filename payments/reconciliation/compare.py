"""Two lists of entries, what agrees and what does not. Pure: the same answer in any order.

Both sides say what they know in the same words (`payments.bills.entries`), so agreement is equality
of texts and costs next to nothing; thought is spent on what is left over. What a difference means
is for `explain` to find out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Difference:
    """Two sides of one number that do not agree: an entry each, or None where there is none.

    `ordinal` counts further rows of the bill with a number that has been accounted for.
    """

    theirs: str | None  # a whole entry
    ours: str | None  # a core
    ordinal: int = 0


@dataclass(slots=True)
class Comparison:
    """What came of it: how many agree, and everything that does not."""

    matched: int = 0
    differences: list[Difference] = field(default_factory=list)


def compare(theirs: Iterable[str], ours: set[str]) -> Comparison:
    """Hold a bill's entries against the cores of our books. `ours` holds no number twice.

    Of several rows with one number, a row that agrees counts as the match, else the first in the
    order of the text is held against ours; every other one is a duplicate.
    """
    left = set(ours)
    odd = []
    for entry in theirs:
        core = entry[: entry.rindex("\t")]
        if core in left:
            left.remove(core)
        else:
            odd.append(entry)
    matched = len(ours) - len(left)
    if not odd and not left:
        return Comparison(matched)
    return Comparison(matched, _paired(odd, ours, left))


def _paired(odd: list[str], ours: set[str], left: set[str]) -> list[Difference]:
    here = {number_of(core): core for core in ours} if odd else {}
    groups: dict[str, list[str]] = defaultdict(list)
    for entry in odd:
        groups[number_of(entry)].append(entry)
    differences = []
    for number, entries in groups.items():
        core = here.get(number)
        agreed = core is not None and core not in left
        if core is not None:
            left.discard(core)
        differences += group_differences(entries, core, agreed=agreed)
    differences += [Difference(theirs=None, ours=core) for core in left]
    return sorted(differences, key=_order)


def group_differences(entries: list[str], ours: str | None, *, agreed: bool) -> list[Difference]:
    """The differences of all rows with one number, none of which is the one that agreed."""
    first = 1 if agreed else 0
    return [
        Difference(theirs=entry, ours=ours, ordinal=place)
        for place, entry in enumerate(sorted(entries), first)
    ]


def number_of(entry: str) -> str:
    """Kind and number of an entry: what a difference is about."""
    return entry[: entry.index("\t", 2)]


def _order(difference: Difference) -> tuple[str, int]:
    return number_of(difference.theirs or difference.ours or ""), difference.ordinal
