"""What sub-merchants have to refund from, where somebody set a limit (`balance_fen`).

Without one a sub-merchant can refund anything. Payments add what is settled, refunds take what is
settled back; the fee is left out on both sides, as it comes back in proportion.
"""

from __future__ import annotations

from partner.simulator.storage import Storage


class Balances:
    """Available balances by `sub_mchid`, in fen."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def set(self, sub_mchid: str, balance_fen: int | None) -> None:
        """Limit the sub-merchant to this much from now on; None lifts the limit."""
        if balance_fen is None:
            self._storage.execute("DELETE FROM balances WHERE sub_mchid = ?", (sub_mchid,))
            return
        self._storage.execute(
            "INSERT INTO balances VALUES (?, ?)"
            " ON CONFLICT (sub_mchid) DO UPDATE SET balance_fen = excluded.balance_fen",
            (sub_mchid, balance_fen),
        )

    def of(self, sub_mchid: str) -> int | None:
        """What is left; None when nobody limited it."""
        row = self._storage.row(
            "SELECT balance_fen FROM balances WHERE sub_mchid = ?", (sub_mchid,)
        )
        return None if row is None else int(row["balance_fen"])

    def add(self, sub_mchid: str, amount_fen: int) -> None:
        """Money came in, or came back."""
        self._storage.execute(
            "UPDATE balances SET balance_fen = balance_fen + ? WHERE sub_mchid = ?",
            (amount_fen, sub_mchid),
        )

    def take(self, sub_mchid: str, amount_fen: int) -> bool:
        """Take it out; False, and nothing taken, when there is not enough."""
        with self._storage.transaction() as connection:
            done = connection.execute(
                "UPDATE balances SET balance_fen = balance_fen - ?"
                " WHERE sub_mchid = ? AND balance_fen >= ?",
                (amount_fen, sub_mchid, amount_fen),
            )
            return bool(done.rowcount) or self.of(sub_mchid) is None
