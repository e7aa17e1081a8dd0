"""What a row of the doctor's tables looks like."""

from __future__ import annotations

from dataclasses import dataclass

from submerchants.doctor.findings import Finding, Link, Who, Words


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What can be seen, and the finding it stands for.

    `texts` are parts of messages, blanks and letter case aside; `codes` WeChat Pay's in the one
    spelling we use; `numbers` those at the end of a Request-ID. The first row that has the text
    wins, so the narrower text stands above the wider one.
    """

    finding: Finding
    texts: tuple[str, ...]
    codes: tuple[str, ...]
    numbers: tuple[int, ...]


def known(
    name: str,
    link: Link,
    who: Who,
    where: Words,
    how_long: Words,
    *,
    zh: str,
    en: str,
    texts: tuple[str, ...] = (),
    codes: tuple[str, ...] = (),
    numbers: tuple[int, ...] = (),
) -> Known:
    """One row: the finding, and what it is recognised by."""
    finding = Finding(
        name=name, link=link, missing=Words(zh, en), who=who, where=where, how_long=how_long
    )
    return Known(finding=finding, texts=texts, codes=codes, numbers=numbers)
