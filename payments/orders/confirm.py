"""Apply what WeChat Pay says of an order, whether it was notified or asked: one path, one effect.

A payment is applied by one UPDATE whose WHERE is the whole check: our own numbers, tenant, appids,
amount, currency, trade type and a state from which PAID can be reached. When it meets no row, and
only then, the order is read to say why: known already, or not in agreement with our books. What
does not agree is never applied.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace
from typing import Any, cast

from sqlalchemy import Dialect, Table, bindparam, func, or_, select, update
from sqlalchemy.engine import Row

from config import audit
from config.database import db, dialect_here, run
from config.logs import get_logger
from config.prepared import Prepared
from partner.wechatpay.resources.transactions import Transaction
from payments import metrics
from payments.numbers import is_plain
from payments.orders.models import Order, OrderState, TradeType
from payments.orders.presenter import OrderFacts, present_order
from payments.orders.states import sources_of
from payments.webhooks.publish import publish_event

log = get_logger(__name__)

_orders = cast("Table", Order.__table__)
_SHOWN = [_orders.c[name] for name in OrderFacts.__annotations__]
_ORDER = select(*_orders.c).where(_orders.c.out_trade_no == bindparam("out_trade_no"))


class Verdict(enum.StrEnum):
    """What a claimed payment turned out to be."""

    APPLIED = "APPLIED"
    KNOWN = "KNOWN"  # the same payment was applied before
    DISAGREES = "DISAGREES"  # genuine, but not what our books say


@dataclass(frozen=True, slots=True)
class Check:
    """One field, on our side and on theirs."""

    field: str
    ours: object
    theirs: object

    @property
    def agrees(self) -> bool:
        """Whether both sides say the same."""
        return self.ours == self.theirs

    def as_dict(self) -> dict[str, object]:
        """The verdict as the inbox keeps it."""
        return {
            "check": self.field,
            "ok": self.agrees,
            "ours": self.ours,
            "theirs": self.theirs,
        }


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The verdict, the order it concerns where there is one, and each check that was made."""

    verdict: Verdict
    order_id: str | None
    sub_merchant_id: str | None
    checks: tuple[Check, ...] = field(default=())

    @property
    def reason(self) -> str | None:
        """In words, why it was not applied."""
        wrong = [check.field for check in self.checks if not check.agrees]
        return f"does not agree on {', '.join(wrong)}" if wrong else None


def confirm_payment(paid: Transaction, *, learned_by: str) -> Confirmation:
    """Apply a successful payment inside the caller's transaction, across tenants.

    The tenant is the one our own order row names; the payload must say the same.
    """
    row = _apply(paid)
    if row is None:
        return _explain(paid)
    _tell(row, learned_by)
    return Confirmation(Verdict.APPLIED, row.id, row.sub_merchant_id)


def _apply(paid: Transaction) -> OrderFacts | None:
    if not _is_complete(paid):
        return None
    move = _move(dialect_here(), paid.sp_appid is not None, paid.sub_appid is not None)
    claimed = {
        "their_out_trade_no": paid.out_trade_no,
        "their_sp_mchid": paid.sp_mchid,
        "their_sub_mchid": paid.sub_mchid,
        "their_total": paid.total_fen,
        "their_currency": paid.currency,
        "their_trade_type": _TRADE_TYPES[paid.trade_type or ""],
        **_given(their_sp_appid=paid.sp_appid, their_sub_appid=paid.sub_appid),
        "trade_state": paid.trade_state,
        "transaction_id": paid.transaction_id,
        "paid_at": paid.success_time,
        "payer_total_fen": paid.payer_total_fen,
        "payer_sp_openid": paid.payer_sp_openid,
        "payer_sub_openid": paid.payer_sub_openid,
        # It is only shown: money received is never turned away for it.
        "bank_type": paid.bank_type and paid.bank_type[:_LONGEST_BANK_TYPE],
    }
    met = run(move, claimed)
    if met.rowcount == 0:
        return None
    if not met.rows:  # not every database gives back what it has updated
        return cast("OrderFacts", _read(paid.out_trade_no))
    return cast("OrderFacts", SimpleNamespace(**move.facts(met.rows[0])))


@cache
def _move(dialect: Dialect, has_sp_appid: bool, has_sub_appid: bool) -> Prepared:
    # WeChat Pay leaves an appid out where the order had none; one that it names must be ours.
    agreed = [
        _orders.c.out_trade_no == bindparam("their_out_trade_no"),
        _orders.c.sp_mchid == bindparam("their_sp_mchid"),
        _orders.c.sub_mchid == bindparam("their_sub_mchid"),
        _orders.c.amount_fen == bindparam("their_total"),
        _orders.c.currency == bindparam("their_currency"),
        _orders.c.trade_type == bindparam("their_trade_type"),
        or_(*(_orders.c.state == state for state in sources_of(OrderState.PAID))),
    ]
    if has_sp_appid:
        agreed.append(_orders.c.sp_appid == bindparam("their_sp_appid"))
    if has_sub_appid:
        agreed.append(_orders.c.sub_appid == bindparam("their_sub_appid"))
    news = ("trade_state", "transaction_id", "paid_at", "payer_total_fen", "bank_type")
    move = (
        update(_orders)
        .where(*agreed)
        .values(
            state=OrderState.PAID,
            next_check_at=None,
            # Who scans a code or opens an app is known only now; who was asked for stays.
            sp_openid=func.coalesce(_orders.c.sp_openid, bindparam("payer_sp_openid")),
            sub_openid=func.coalesce(_orders.c.sub_openid, bindparam("payer_sub_openid")),
            **{name: bindparam(name) for name in news},
        )
    )
    if not dialect.update_returning:
        return Prepared(move, dialect)
    return Prepared(move.returning(*_SHOWN), dialect)


def _given(**values: object) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}


def _read(out_trade_no: str) -> Row[Any] | None:
    return db.session.execute(_ORDER, {"out_trade_no": out_trade_no}).one_or_none()


def _is_complete(paid: Transaction) -> bool:
    required = (paid.transaction_id, paid.success_time, paid.total_fen, paid.currency)
    if not paid.is_paid or paid.trade_type not in _TRADE_TYPES or None in required:
        return False
    names = (paid.out_trade_no, paid.sp_mchid, paid.sub_mchid, paid.sp_appid, paid.sub_appid)
    exact = all(is_plain(name) for name in names if name is not None)
    return exact and _CURRENCY.fullmatch(paid.currency or "") is not None  # MySQL: `cny` is `CNY`


_CURRENCY = re.compile(r"[A-Z]{3}")
_LONGEST_BANK_TYPE = 32

# WeChat Pay's word for how an order was paid; there are others, of orders that are not ours.
_TRADE_TYPES: Mapping[str, TradeType] = {each.value: each for each in TradeType}


def _tell(row: OrderFacts, learned_by: str) -> None:
    publish_event(
        sub_merchant_id=row.sub_merchant_id,
        type="order.paid",
        event_key=f"order.paid:{row.id}",
        object_id=row.id,
        data=present_order(row),
    )
    audit.record(
        "order.paid",
        object_kind="order",
        object_id=row.id,
        tenant_id=row.sub_merchant_id,
        learned_by=learned_by,
        transaction_id=row.transaction_id,
        amount_fen=row.amount_fen,
    )
    metrics.orders_paid.labels(learned_by).inc()
    if row.closed_at is not None:
        # WeChat Pay refuses to close what is being paid, so this needs a lost race somewhere. The
        # money is real: it is taken, and a person is told.
        metrics.closed_orders_paid.inc()
        log.error("a closed order was paid", order_id=row.id, transaction_id=row.transaction_id)


def _explain(paid: Transaction) -> Confirmation:
    found = _read(paid.out_trade_no)
    if found is None:
        unknown = Check("out_trade_no", None, paid.out_trade_no)
        return Confirmation(Verdict.DISAGREES, None, None, (unknown,))
    checks = tuple(_checks(found, paid))
    agrees = all(check.agrees for check in checks)
    verdict = Verdict.KNOWN if agrees else Verdict.DISAGREES
    return Confirmation(verdict, found.id, found.sub_merchant_id, checks)


def _checks(ours: Row[Any], paid: Transaction) -> list[Check]:
    checks = [
        Check("out_trade_no", ours.out_trade_no, paid.out_trade_no),
        Check("sp_mchid", ours.sp_mchid, paid.sp_mchid),
        Check("sub_mchid", ours.sub_mchid, paid.sub_mchid),
        Check("amount.total", ours.amount_fen, paid.total_fen),
        Check("amount.currency", ours.currency, paid.currency),
        Check("trade_type", ours.trade_type.value, paid.trade_type),
        Check("trade_state", True, paid.is_paid),
        Check("success_time", True, paid.success_time is not None),
        Check("transaction_id", ours.transaction_id or paid.transaction_id, paid.transaction_id),
    ]
    if paid.transaction_id is None:
        checks.append(Check("transaction_id", "required", None))
    if paid.sp_appid is not None:
        checks.append(Check("sp_appid", ours.sp_appid, paid.sp_appid))
    if paid.sub_appid is not None:
        checks.append(Check("sub_appid", ours.sub_appid, paid.sub_appid))
    return checks


def passed_checks() -> list[dict[str, object]]:
    """The verdict of each check when the one UPDATE found its row: all of them held."""
    return [{"check": name, "ok": True} for name in _CHECK_NAMES]


_CHECK_NAMES = (
    "signature",
    "decryption",
    "out_trade_no",
    "sp_mchid",
    "sub_mchid",
    "appids",
    "amount.total",
    "amount.currency",
    "trade_type",
    "trade_state",
    "success_time",
    "transaction_id",
)
