"""The refunds in storage, each in its real state, and the only code that moves them.

States are WeChat Pay's: `PROCESSING`, `SUCCESS`, `ABNORMAL`, `CLOSED`. A move is one conditional
statement that names the states it may start from. Rules about requests live in `refunds.py`, what
becomes of a refund in `refund_life.py`.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from partner.simulator.clock import rfc3339
from partner.simulator.ledger import PAGE, conditions
from partner.simulator.storage import Row, Storage

PROCESSING: Final = "PROCESSING"
SUCCESS: Final = "SUCCESS"
ABNORMAL: Final = "ABNORMAL"
CLOSED: Final = "CLOSED"
BY_API: Final = "API"
BY_HAND: Final = "MERCHANT_PLATFORM"

MOVES: Final = {
    PROCESSING: (SUCCESS, ABNORMAL, CLOSED),
    ABNORMAL: (PROCESSING, SUCCESS),  # applied for again, or settled by hand
    SUCCESS: (),
    CLOSED: (),
}


@dataclass(frozen=True, slots=True)
class NewRefund:
    """What accepting a refund leaves behind. Money in fen, times in business seconds.

    `settles_at=None` holds it until somebody settles it; `outcome` is what it then becomes.
    """

    order_seq: int
    sp_mchid: str
    sub_mchid: str
    out_trade_no: str
    transaction_id: str
    out_refund_no: str
    origin: str
    parameters: str
    reason: str | None
    notify_url: str | None
    wants_public_key: bool
    funds_account: str
    paid_from: str
    total: int
    refund: int
    payer_total: int
    payer_refund: int
    settlement_total: int
    settlement_refund: int
    refund_fee: int
    promotion_detail: str
    channel: str
    user_received_account: str
    created_at: float
    outcome: str
    settles_at: float | None


@dataclass(frozen=True, slots=True)
class Refund(NewRefund):
    """A refund as it stands. `billed_status` is how its day's bill shows it, once there is one."""

    seq: int
    refund_id: str
    status: str
    success_at: int | None
    billed_status: str | None

    @property
    def promotion(self) -> list[dict[str, Any]]:
        shares: list[dict[str, Any]] = json.loads(self.promotion_detail)
        return shares

    def as_truth(self) -> dict[str, Any]:
        """The refund as `/_simulator/refunds` tells it."""
        return {
            "out_refund_no": self.out_refund_no,
            "refund_id": self.refund_id,
            "out_trade_no": self.out_trade_no,
            "transaction_id": self.transaction_id,
            "sp_mchid": self.sp_mchid,
            "sub_mchid": self.sub_mchid,
            "status": self.status,
            "amount": self.refund,
            "total": self.total,
            "payer_refund": self.payer_refund,
            "settlement_refund": self.settlement_refund,
            "refund_fee": self.refund_fee,
            "reason": self.reason,
            "origin": self.origin,
            "channel": self.channel,
            "user_received_account": self.user_received_account,
            "notify_url": self.notify_url,
            "created": rfc3339(self.created_at),
            "settles": None if self.settles_at is None else rfc3339(self.settles_at),
            "success_time": None if self.success_at is None else rfc3339(self.success_at),
        }


_NEW = tuple(NewRefund.__dataclass_fields__)
_COLUMNS = tuple(Refund.__dataclass_fields__)
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM refunds"  # noqa: S608 - our own column names
_INSERT = (
    f"INSERT INTO refunds ({', '.join(_NEW)}, seq, refund_id, status)"  # noqa: S608
    f" VALUES ({', '.join('?' * len(_NEW))}, ?, ?, '{PROCESSING}')"
)


class RefundBook:
    """Refunds in storage. Every reader gets an immutable snapshot."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def add(self, new: NewRefund) -> Refund | None:
        """Write the refund down and mark its order; None when the order is not paid any more."""
        with self._storage.transaction() as connection:
            done = connection.execute(
                "UPDATE orders SET trade_state = 'REFUND'"
                " WHERE seq = ? AND trade_state IN ('SUCCESS', 'REFUND')",
                (new.order_seq,),
            )
            if not done.rowcount:
                return None
            [last] = connection.execute("SELECT coalesce(max(seq), 0) FROM refunds").fetchone()
            refund_id = _refund_id(last + 1, new.created_at)
            values = [getattr(new, name) for name in _NEW]
            connection.execute(_INSERT, [*values, last + 1, refund_id])
            return self._one("WHERE seq = ?", last + 1)

    def settle(self, refund: Refund, status: str, at: float) -> Refund | None:
        """Move it on from where the snapshot stands, once; None when that cannot be, or no
        more."""
        if status not in MOVES[refund.status]:
            return None
        moved = self._storage.execute(
            "UPDATE refunds SET status = ?, success_at = ?, settles_at = NULL"
            " WHERE seq = ? AND status = ? AND settles_at IS ?",
            (
                status,
                int(at) if status == SUCCESS else None,
                refund.seq,
                refund.status,
                refund.settles_at,
            ),
        )
        return self._one("WHERE seq = ?", refund.seq) if moved else None

    def reopen(self, refund: Refund, **changes: Any) -> Refund | None:
        """ABNORMAL → PROCESSING with these columns changed; None when it is abnormal no longer."""
        names = ", ".join(f"{name} = ?" for name in changes)
        moved = self._storage.execute(
            f"UPDATE refunds SET status = ?, {names}"  # noqa: S608 - our own column names
            " WHERE seq = ? AND status = ?",
            (PROCESSING, *changes.values(), refund.seq, ABNORMAL),
        )
        return self._one("WHERE seq = ?", refund.seq) if moved else None

    def find(self, sp_mchid: str, out_refund_no: str) -> Refund | None:
        return self._one("WHERE sp_mchid = ? AND out_refund_no = ?", sp_mchid, out_refund_no)

    def get(self, seq: int) -> Refund | None:
        return self._one("WHERE seq = ?", seq)

    def find_id(self, sp_mchid: str, refund_id: str) -> Refund | None:
        return self._one("WHERE refund_id = ? AND sp_mchid = ?", refund_id, sp_mchid)

    def with_number(self, out_refund_no: str) -> list[Refund]:
        """Refunds under this number, of whichever provider."""
        return self._many("WHERE out_refund_no = ? ORDER BY seq", (out_refund_no,))

    def of_order(self, order_seq: int) -> list[Refund]:
        """The order's refunds, oldest first."""
        return self._many("WHERE order_seq = ? ORDER BY seq", (order_seq,))

    def due(self, now: float) -> list[Refund]:
        """Those whose outcome has come, the longest overdue first."""
        return self._many(f"WHERE settles_at <= ? ORDER BY settles_at, seq LIMIT {PAGE}", (now,))

    def refunds(
        self, wanted: dict[str, str | None] | None = None, limit: int = 100, offset: int = 0
    ) -> list[Refund]:
        """The last `limit` refunds but `offset` that fit the filters, newest last."""
        where, values = conditions(wanted or {})
        newest = self._many(f"{where} ORDER BY seq DESC LIMIT ? OFFSET ?", (*values, limit, offset))
        return newest[::-1]

    def refund_numbers(self) -> list[str]:
        """Every out_refund_no, oldest first."""
        rows = self._storage.rows("SELECT out_refund_no FROM refunds ORDER BY seq")
        return [row["out_refund_no"] for row in rows]

    def count(self) -> int:
        row = self._storage.row("SELECT count(*) AS number FROM refunds")
        return int(row["number"]) if row else 0

    def bill(self, sp_mchid: str, start: float, end: float) -> None:
        """Fix how the bill shows what was accepted in [start, end): as it stands now, for ever."""
        self._storage.execute(
            "UPDATE refunds SET billed_status = status"
            " WHERE sp_mchid = ? AND created_at >= ? AND created_at < ? AND billed_status IS NULL",
            (sp_mchid, start, end),
        )

    def accepted_between(
        self, sp_mchid: str, start: float, end: float, sub_mchid: str | None
    ) -> Iterator[list[Refund]]:
        """Refunds accepted in [start, end), in pages: any number of them in little memory."""
        last = 0
        while True:
            where = "WHERE sp_mchid = ? AND created_at >= ? AND created_at < ? AND seq > ?"
            values: tuple[Any, ...] = (sp_mchid, start, end, last)
            if sub_mchid is not None:
                where, values = f"{where} AND sub_mchid = ?", (*values, sub_mchid)
            page = self._many(f"{where} ORDER BY seq LIMIT {PAGE}", values)
            yield page
            if len(page) < PAGE:
                return
            last = page[-1].seq

    def _one(self, where: str, *values: Any) -> Refund | None:
        row = self._storage.row(f"{_SELECT} {where}", values)
        return None if row is None else _refund(row)

    def _many(self, where: str, values: tuple[Any, ...]) -> list[Refund]:
        return [_refund(row) for row in self._storage.rows(f"{_SELECT} {where}", values)]


def _refund(row: Row) -> Refund:
    return Refund(**{name: row[name] for name in _COLUMNS})


def _refund_id(seq: int, created_at: float) -> str:
    """29 digits: 5030, seven at random, the Beijing day, and ten that never repeat."""
    day = rfc3339(created_at)[:10].replace("-", "")
    return f"5030{secrets.randbelow(10**7):07}{day}{seq:010}"
