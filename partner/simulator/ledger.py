"""The ledger: every order in its real state, and the only code that moves it.

States are WeChat Pay's (`NOTPAY`, `SUCCESS`, `CLOSED`, …). A move is one conditional statement, so
a close and a payment that arrive together have one winner. Rules about requests live in
`orders.py`.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final

from partner.simulator.balances import Balances
from partner.simulator.clock import rfc3339
from partner.simulator.order_fields import PRODUCTS
from partner.simulator.storage import Row, Storage

PAGE: Final = 2000


@dataclass(frozen=True, slots=True)
class NewOrder:
    """What placing an order leaves behind. Times are business time in seconds since the epoch."""

    sp_mchid: str
    out_trade_no: str
    sub_mchid: str
    sp_appid: str
    sub_appid: str | None
    product: str
    description: str
    attach: str | None
    device_id: str | None
    notify_url: str
    total: int
    currency: str
    parameters: str
    wants_public_key: bool
    sp_openid: str | None
    sub_openid: str | None
    prepay_id: str
    created_at: float
    expires_at: float
    closes_at: float


@dataclass(frozen=True, slots=True)
class Order(NewOrder):
    """An order as it stands."""

    seq: int
    trade_state: str
    transaction_id: str | None
    success_at: int | None
    bank_type: str | None
    payer_total: int | None
    promotion: str | None

    @property
    def is_paid(self) -> bool:
        return self.trade_state in ("SUCCESS", "REFUND")

    @property
    def settled(self) -> int:
        """What of a payment reaches the sub-merchant, before the fee: coupons that nobody funded
        are left out."""
        coupons = json.loads(self.promotion) if self.promotion else []
        uncharged = sum(int(one["amount"]) for one in coupons if one["type"] == "NOCASH")
        return self.total - uncharged

    @property
    def trade_type(self) -> str:
        """The product's mark in queries, notifications and bills, such as MWEB for H5."""
        return PRODUCTS[self.product].trade_type

    def as_truth(self) -> dict[str, Any]:
        """The order as `/_simulator/orders` tells it."""
        payer = {"sp_openid": self.sp_openid, "sub_openid": self.sub_openid}
        return {
            "out_trade_no": self.out_trade_no,
            "transaction_id": self.transaction_id,
            "sp_mchid": self.sp_mchid,
            "sub_mchid": self.sub_mchid,
            "sp_appid": self.sp_appid,
            "sub_appid": self.sub_appid,
            "trade_type": self.trade_type,
            "description": self.description,
            "attach": self.attach,
            "amount": self.total,
            "payer_total": self.payer_total,
            "currency": self.currency,
            "trade_state": self.trade_state,
            "success_time": None if self.success_at is None else rfc3339(self.success_at),
            "notify_url": self.notify_url,
            "prepay_id": self.prepay_id,
            "payer": {name: openid for name, openid in payer.items() if openid},
            "created": rfc3339(self.created_at),
            "expires": rfc3339(self.expires_at),
        }


@dataclass(frozen=True, slots=True)
class Payment:
    """The facts a payment adds to its order."""

    success_at: int
    bank_type: str
    payer_total: int
    promotion: list[dict[str, Any]]
    sp_openid: str
    sub_openid: str | None


_NEW_COLUMNS = tuple(NewOrder.__dataclass_fields__)
_COLUMNS = tuple(Order.__dataclass_fields__)
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM orders"  # noqa: S608 - our own column names
_INSERT = (
    f"INSERT INTO orders ({', '.join(_NEW_COLUMNS)}, trade_state)"  # noqa: S608
    f" VALUES ({', '.join('?' * len(_NEW_COLUMNS))}, 'NOTPAY')"
)


class Ledger:
    """Orders in storage. Every reader gets an immutable snapshot."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._balances = Balances(storage)

    def add(self, order: NewOrder) -> bool:
        """Write a new order, with its session if it has one; False when the number is taken."""
        values = [getattr(order, name) for name in _NEW_COLUMNS]
        with self._storage.transaction() as connection:
            done = connection.execute(f"{_INSERT} ON CONFLICT DO NOTHING", values)
            if not done.rowcount:
                return False
            if order.prepay_id:
                connection.execute(
                    "INSERT INTO prepays VALUES (?, ?, ?)",
                    (order.prepay_id, done.lastrowid, order.created_at),
                )
        return True

    def renew_prepay(self, order: Order, prepay_id: str, now: float, public_key: bool) -> bool:
        """Give an unpaid order a fresh prepay session; False when it is unpaid no longer."""
        with self._storage.transaction() as connection:
            done = connection.execute(
                "UPDATE orders SET prepay_id = ?, wants_public_key = ?"
                " WHERE seq = ? AND trade_state = 'NOTPAY'",
                (prepay_id, public_key, order.seq),
            )
            if done.rowcount:
                connection.execute(
                    "INSERT INTO prepays VALUES (?, ?, ?)", (prepay_id, order.seq, now)
                )
        return bool(done.rowcount)

    def find(self, sp_mchid: str, out_trade_no: str) -> Order | None:
        return self._one("WHERE sp_mchid = ? AND out_trade_no = ?", sp_mchid, out_trade_no)

    def find_transaction(self, sp_mchid: str, transaction_id: str) -> Order | None:
        return self._one("WHERE transaction_id = ? AND sp_mchid = ?", transaction_id, sp_mchid)

    def with_seqs(self, seqs: Collection[int]) -> dict[int, Order]:
        """Orders by their sequence numbers."""
        marks = ", ".join("?" * len(seqs))
        return {one.seq: one for one in self._many(f"WHERE seq IN ({marks})", tuple(seqs))}

    def find_prepay(self, prepay_id: str) -> tuple[Order, float] | None:
        """The order behind a prepay session, and when the session was opened."""
        session = self._storage.row(
            "SELECT order_seq, created_at FROM prepays WHERE prepay_id = ?", (prepay_id,)
        )
        if session is None:
            return None
        order = self._one("WHERE seq = ?", session["order_seq"])
        return None if order is None else (order, session["created_at"])

    def with_number(self, out_trade_no: str) -> list[Order]:
        """Orders under this number, of whichever provider."""
        return self._many("WHERE out_trade_no = ? ORDER BY seq", (out_trade_no,))

    def mark_paid(self, order: Order, paid: Payment) -> Order | None:
        """Unpaid → SUCCESS, once; None when another move was first."""
        with self._storage.transaction() as connection:
            done = connection.execute(
                "UPDATE orders SET trade_state = 'SUCCESS', transaction_id = ?, success_at = ?,"
                " bank_type = ?, payer_total = ?, promotion = ?, sp_openid = ?, sub_openid = ?"
                " WHERE seq = ? AND trade_state IN ('NOTPAY', 'USERPAYING')",
                (
                    _transaction_id(order.seq, paid.success_at),
                    paid.success_at,
                    paid.bank_type,
                    paid.payer_total,
                    json.dumps(paid.promotion, ensure_ascii=False) if paid.promotion else None,
                    paid.sp_openid,
                    paid.sub_openid,
                    order.seq,
                ),
            )
            if not done.rowcount:
                return None
            uncharged = sum(one["amount"] for one in paid.promotion if one["type"] == "NOCASH")
            self._balances.add(order.sub_mchid, order.total - uncharged)
        return self._one("WHERE seq = ?", order.seq)

    def mark_closed(self, order: Order) -> bool:
        """NOTPAY → CLOSED; False when another move was first."""
        return bool(
            self._storage.execute(
                "UPDATE orders SET trade_state = 'CLOSED' WHERE seq = ? AND trade_state = 'NOTPAY'",
                (order.seq,),
            )
        )

    def move(self, order: Order, before: str, after: str) -> bool:
        """From one unpaid state to another; False when another move was first."""
        return bool(
            self._storage.execute(
                "UPDATE orders SET trade_state = ? WHERE seq = ? AND trade_state = ?",
                (after, order.seq, before),
            )
        )

    def claim(self, order: Order, sp_openid: str) -> bool:
        """The order is this payer's from now on, unless it already was somebody's."""
        return bool(
            self._storage.execute(
                "UPDATE orders SET sp_openid = ? WHERE seq = ? AND trade_state = 'NOTPAY'"
                " AND sp_openid IS NULL AND sub_openid IS NULL",
                (sp_openid, order.seq),
            )
        )

    def mark_revoked(self, order: Order, reversed_at: int) -> bool:
        """→ REVOKED, whether paid or not, unless refunds were made; False if it cannot be."""
        with self._storage.transaction() as connection:
            done = connection.execute(
                "UPDATE orders SET trade_state = 'REVOKED' WHERE seq = ?"
                " AND trade_state NOT IN ('REVOKED', 'REFUND')",
                (order.seq,),
            )
            if done.rowcount:
                connection.execute(
                    "INSERT INTO reversals SELECT seq, ? FROM orders"
                    " WHERE seq = ? AND transaction_id IS NOT NULL",
                    (reversed_at, order.seq),
                )
        return bool(done.rowcount)

    def settle_overdue(self, order: Order, now: float) -> Order:
        """Close the order if its life has run out, as WeChat Pay does by itself."""
        if order.trade_state != "NOTPAY" or now < order.closes_at:
            return order
        self.mark_closed(order)
        return self._one("WHERE seq = ?", order.seq) or order

    def order_numbers(self) -> list[str]:
        """Every out_trade_no, oldest first."""
        return [
            row["out_trade_no"] for row in self._storage.rows("SELECT out_trade_no FROM orders")
        ]

    def orders(
        self, wanted: dict[str, str | None] | None = None, limit: int = 100, offset: int = 0
    ) -> list[Order]:
        """The last `limit` orders but `offset` that fit the filters, newest last."""
        where, values = conditions(wanted or {})
        newest = self._many(f"{where} ORDER BY seq DESC LIMIT ? OFFSET ?", (*values, limit, offset))
        return newest[::-1]

    def count(self) -> int:
        row = self._storage.row("SELECT count(*) AS number FROM orders")
        return int(row["number"]) if row else 0

    def paid_between(
        self, sp_mchid: str, start: int, end: int, sub_mchid: str | None
    ) -> Iterator[Order]:
        """Orders paid in [start, end), page by page: any number of them in little memory."""
        last = 0
        while True:
            where = "WHERE sp_mchid = ? AND success_at >= ? AND success_at < ? AND seq > ?"
            values: tuple[Any, ...] = (sp_mchid, start, end, last)
            if sub_mchid is not None:
                where, values = f"{where} AND sub_mchid = ?", (*values, sub_mchid)
            page = self._many(f"{where} ORDER BY seq LIMIT {PAGE}", values)
            yield from page
            if len(page) < PAGE:
                return
            last = page[-1].seq

    def reversed_between(
        self, sp_mchid: str, start: int, end: int, sub_mchid: str | None
    ) -> Iterator[tuple[Order, int]]:
        """Paid orders that were reversed in [start, end), and when."""
        rows = self._storage.rows(
            "SELECT order_seq, reversed_at FROM reversals"
            " WHERE reversed_at >= ? AND reversed_at < ? ORDER BY order_seq",
            (start, end),
        )
        for row in rows:
            order = self._one("WHERE seq = ? AND sp_mchid = ?", row["order_seq"], sp_mchid)
            if order is not None and sub_mchid in (None, order.sub_mchid):
                yield order, row["reversed_at"]

    def _one(self, where: str, *values: Any) -> Order | None:
        row = self._storage.row(f"{_SELECT} {where}", values)
        return None if row is None else _order(row)

    def _many(self, where: str, values: tuple[Any, ...]) -> list[Order]:
        return [_order(row) for row in self._storage.rows(f"{_SELECT} {where}", values)]


def conditions(wanted: dict[str, str | None]) -> tuple[str, tuple[str, ...]]:
    """A WHERE clause for the filters that are set. Names are ours, values are bound."""
    asked = {name: value for name, value in wanted.items() if value is not None}
    clause = " AND ".join(f"{name} = ?" for name in asked)
    return (f"WHERE {clause}" if clause else "", tuple(asked.values()))


def _order(row: Row) -> Order:
    return Order(**{name: row[name] for name in _COLUMNS})


def _transaction_id(seq: int, success_at: int) -> str:
    """28 digits: 4200, six at random, the Beijing day, and ten that never repeat."""
    day = rfc3339(success_at)[:10].replace("-", "")
    return f"4200{secrets.randbelow(10**6):06}{day}{seq:010}"
