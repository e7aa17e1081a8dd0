"""Tenancy belongs to the data layer: a query on a tenant's table without a tenant is refused.

Inside `acting_for(sub_merchant_id)` every query on a `TenantOwned` table sees that tenant's rows
only, and every new row must be that tenant's. Work that crosses tenants says so and why with
`across_tenants(reason)`. Anything else raises `NoTenant`: a forgotten filter is a failing test, not
a leak.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import ClauseElement, Executable, ForeignKey, Insert, Table, event
from sqlalchemy.orm import (
    Mapped,
    ORMExecuteState,
    Session,
    mapped_column,
    with_loader_criteria,
)
from sqlalchemy.sql import visitors
from sqlalchemy.sql.selectable import SelectBase

from config.batches import GIVEN
from config.database import Base, db, identifier, watch_prepared
from config.prepared import Prepared


class NoTenant(RuntimeError):
    """A tenant's table was touched without saying for whom: a defect of ours."""


@dataclass(frozen=True, slots=True)
class _Scope:
    sub_merchant_id: str | None  # None: across all tenants
    reason: str


_scope: ContextVar[_Scope | None] = ContextVar("tenant_scope", default=None)
_tenant_tables: set[str] = set()


class TenantOwned:
    """Mixin of every table whose rows belong to one sub-merchant."""

    sub_merchant_id: Mapped[str] = mapped_column(
        identifier(40), ForeignKey("sub_merchants.id"), index=False
    )

    def __init_subclass__(cls, **options: object) -> None:
        super().__init_subclass__(**options)
        if name := getattr(cls, "__tablename__", None):
            _tenant_tables.add(name)


@contextmanager
def acting_for(sub_merchant_id: str) -> Iterator[None]:
    """See and write this tenant's rows only."""
    with _scoped(_Scope(sub_merchant_id, "acting for one tenant")):
        yield


@contextmanager
def across_tenants(reason: str) -> Iterator[None]:
    """See every tenant's rows; `reason` says why that is right here."""
    with _scoped(_Scope(None, reason)):
        yield


def enter_tenant(sub_merchant_id: str) -> None:
    """Act for this tenant until the request ends; `leave_tenant` is called when it does."""
    _scope.set(_Scope(sub_merchant_id, "the caller's own"))


def leave_tenant() -> None:
    """Forget whom the request acted for."""
    _scope.set(None)


def tenant_in_scope() -> str | None:
    """Whose rows may be seen here; None across all tenants. Raises NoTenant where nobody said.

    For tables of lower floors, whose rows name a tenant but which know no scope.
    """
    scope = _scope.get()
    if scope is None:
        raise NoTenant("Nobody said for which tenant.")
    return scope.sub_merchant_id


@contextmanager
def _scoped(scope: _Scope) -> Iterator[None]:
    token = _scope.set(scope)
    try:
        yield
    finally:
        _scope.reset(token)


def _scope_query(state: ORMExecuteState) -> None:
    scope = _scope.get()
    if scope is not None and scope.sub_merchant_id is None:
        return
    tables = _tenant_tables_in(state.statement)
    if not tables:
        return
    if scope is None:
        raise NoTenant(f"A query on {', '.join(sorted(tables))} names no tenant.")
    tenant = scope.sub_merchant_id
    if isinstance(state.statement, Insert):
        _check_inserted(state.statement, state.parameters, tenant)
        return
    if not state.is_orm_statement:
        raise NoTenant("Statements without models cannot be scoped; use across_tenants(reason).")
    state.statement = state.statement.options(
        with_loader_criteria(
            TenantOwned, lambda cls: cls.sub_merchant_id == tenant, include_aliases=True
        )
    )


def _check_inserted(statement: Insert, parameters: object, tenant: str | None) -> None:
    rows: list[Any] = parameters if isinstance(parameters, list) else [parameters or {}]
    if isinstance(statement.select, SelectBase):
        # Rows that travel by column (`config.batches`); any other source of rows names no tenant.
        tenants = rows[0].get(GIVEN + "sub_merchant_id")
        rows = (
            [{"sub_merchant_id": each} for each in tenants] if isinstance(tenants, list) else [{}]
        )
    given = {
        getattr(column, "name", column): getattr(value, "value", value)
        for column, value in (statement._values or {}).items()
    }
    for row in rows:
        if {**given, **row}.get("sub_merchant_id") != tenant:
            raise NoTenant(f"A row of {statement.table.name} belongs to another tenant.")


def _tenant_tables_in(statement: Executable) -> set[str]:
    elements = visitors.iterate(cast("ClauseElement", statement))
    return {
        element.name
        for element in elements
        if isinstance(element, Table) and element.name in _tenant_tables
    }


def _check_new_rows(session: Session, *_: object) -> None:
    scope = _scope.get()
    for row in (*session.new, *session.dirty, *session.deleted):
        if not isinstance(row, TenantOwned) or not isinstance(row, Base):
            continue
        if scope is None:
            raise NoTenant(f"A row of {row.__tablename__} is written without a tenant.")
        if scope.sub_merchant_id not in (None, row.sub_merchant_id):
            raise NoTenant(f"A row of {row.__tablename__} belongs to another tenant.")


def _check_prepared(prepared: Prepared, values: Mapping[str, Any]) -> None:
    tables = prepared.tables & _tenant_tables
    scope = _scope.get()
    if not tables or (scope is not None and scope.sub_merchant_id is None):
        return
    if scope is None:
        raise NoTenant(f"A statement on {', '.join(sorted(tables))} names no tenant.")
    # The statement is taken as it is: it must have a place for the tenant, and the right one in it.
    named = values.get("sub_merchant_id") if "sub_merchant_id" in prepared.names else None
    if named != scope.sub_merchant_id:
        raise NoTenant(f"A statement on {', '.join(sorted(tables))} is about another tenant.")


watch_prepared(_check_prepared)
event.listen(db.session, "do_orm_execute", _scope_query)
event.listen(db.session, "before_flush", _check_new_rows)
