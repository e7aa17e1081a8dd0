"""Originals: a bill's bytes exactly as WeChat Pay gave them, kept in compressed parts.

Written while the download is still running and read back piece by piece, so that no process ever
holds a whole file. Parts count only once the download row names their token, which happens after
the digest was right.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import delete, insert, select

from config.batches import write_many
from config.database import changed_rows, db, transaction
from config.identifiers import new_id
from payments.bills.claims import Claim, hold
from payments.bills.models import BillDownload, BillDownloadPart

PART_BYTES = 512 * 1024  # before compression, so that a stored part is hardly ever larger
PARTS_A_COMMIT = 8
LEVEL = 1  # bills shrink to a fifth at the cheapest level; the others cost more than they save


@dataclass(frozen=True, slots=True)
class Kept:
    """Which parts were written, and how many bytes they hold."""

    token: str
    byte_count: int


def keep_original(claim: Claim, pieces: Iterable[bytes]) -> Kept:
    """Store the pieces as they arrive. On any error of theirs nothing of them stays behind."""
    token, position, byte_count = new_id("pts"), 0, 0
    waiting: list[dict[str, object]] = []
    try:
        for content in _even(pieces):
            byte_count += len(content)
            waiting.append(
                {
                    "download_id": claim.download_id,
                    "token": token,
                    "position": position,
                    "content": zlib.compress(content, LEVEL),
                }
            )
            position += 1
            if len(waiting) == PARTS_A_COMMIT:
                _store(claim, waiting)
                waiting = []
        _store(claim, waiting)
    except BaseException:
        forget_parts(claim.download_id, token)
        raise
    return Kept(token, byte_count)


def read_original(download: BillDownload) -> Iterator[bytes]:
    """The bill's bytes from its header to its end, one part at a time."""
    position = 0
    while True:
        content = db.session.scalar(
            select(BillDownloadPart.content).where(
                BillDownloadPart.download_id == download.id,
                BillDownloadPart.token == download.parts_token,
                BillDownloadPart.position == position,
            )
        )
        if content is None:
            return
        yield zlib.decompress(content)
        position += 1


def forget_parts(download_id: str, token: str) -> None:
    """Drop the parts of one attempt, by their exact token."""
    with transaction():
        changed_rows(
            delete(BillDownloadPart).where(
                BillDownloadPart.download_id == download_id, BillDownloadPart.token == token
            )
        )


def forget_other_parts(download_id: str, token: str) -> None:
    """Drop what earlier attempts left behind; the caller's transaction and claim are open."""
    changed_rows(
        delete(BillDownloadPart).where(
            BillDownloadPart.download_id == download_id, BillDownloadPart.token != token
        )
    )


def _store(claim: Claim, parts: list[dict[str, object]]) -> None:
    with transaction():
        hold(claim)
        write_many(insert(BillDownloadPart.__table__), parts)  # type: ignore[arg-type]


def _even(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of PART_BYTES."""
    held = bytearray()
    for piece in pieces:
        held += piece
        while len(held) >= PART_BYTES:
            yield bytes(held[:PART_BYTES])
            del held[:PART_BYTES]
    if held:
        yield bytes(held)
