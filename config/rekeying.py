"""Master keys and what they sealed: are all of them here, and move everything to the first.

Knows tables only by their sealed attributes. Some of those belong to tenants, which this floor does
not know: whoever does hands over the way to look across them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

from flask import Flask, current_app
from sqlalchemy import ColumnElement, Select, func, inspect, not_, or_, select
from sqlalchemy.exc import SQLAlchemyError

from config import audit
from config.database import db, release, transaction
from config.vault import Sealed, VaultError, box, sealed_attributes

REKEY_BATCH: Final = 100
_PROVEN: Final = "master_keys_proven"

Crossing = Callable[[str], AbstractContextManager[None]]


def hand_over_crossing(app: Flask, crossing: Crossing) -> None:
    """Let this floor reach rows of every tenant, saying why."""
    app.extensions["tenant_crossing"] = crossing


def rekey_all() -> Mapping[str, int]:
    """Seal everything under the first master key; answers how many secrets moved, by table.

    Safe beside a running application and safe to repeat: each batch is a transaction of its own.
    """
    moved: dict[str, int] = {}
    for owner, sealed in _stored():
        table = owner.__tablename__
        while count := _rekey_batch(owner, sealed):
            moved[table] = moved.get(table, 0) + count
    if moved:
        with transaction():
            first = box().sealing_key_id
            audit.record("vault.rekeyed", object_kind="vault", object_id=first, moved=moved)
    return moved


def verify_master_keys() -> None:
    """Prove that the configured master keys open what is stored; done before a process serves.

    Reads one envelope for each key and column. Raises VaultError naming every fault.
    """
    faults: list[str] = []
    for owner, sealed in _stored():
        faults.extend(_faults(owner, sealed))
    release()
    if faults:
        raise VaultError("; ".join(faults))


def master_keys_problem() -> str | None:
    """The same as a readiness check: a problem in words, or None. A pass is remembered."""
    if current_app.extensions.get(_PROVEN) is box():
        return None
    try:
        verify_master_keys()
    except VaultError as error:
        return str(error)
    except SQLAlchemyError as error:
        return f"the master keys cannot be tried: {type(error).__name__}"
    current_app.extensions[_PROVEN] = box()
    return None


def _stored() -> Iterator[tuple[type[Any], Sealed]]:
    # Before the first migration there are no tables, and nothing that could fail to open.
    tables = set(inspect(db.engine).get_table_names())
    for owner, sealed in sealed_attributes():
        if owner.__tablename__ in tables:
            yield owner, sealed


def _faults(owner: type[Any], sealed: Sealed) -> Iterator[str]:
    column = getattr(owner, sealed.column)
    place = f"{owner.__tablename__}.{sealed.column}"
    configured = {key_id: _sealed_by(column, key_id) for key_id in box().key_ids}
    unknown = not_(or_(*configured.values()))
    count = _scalar(select(func.count()).select_from(owner).where(column.is_not(None), unknown))
    if count:
        yield f"{place} holds {count} secrets sealed by a master key that is not configured"
    for key_id, sealed_by_it in configured.items():
        row = _scalar(select(owner).where(sealed_by_it).limit(1))
        try:
            if row is not None:
                sealed.__get__(row)
        except VaultError:
            yield f"the master key {key_id!r} does not open what it sealed in {place}"


def _rekey_batch(owner: type[Any], sealed: Sealed) -> int:
    column = getattr(owner, sealed.column)
    elsewhere = not_(_sealed_by(column, box().sealing_key_id))
    batch = select(owner).where(column.is_not(None), elsewhere).limit(REKEY_BATCH)
    with _crossing(), transaction() as session:
        rows = session.scalars(
            batch.with_for_update(), execution_options={"populate_existing": True}
        ).all()
        return sum(sealed.rekey(row) for row in rows)


def _sealed_by(column: Any, key_id: str) -> ColumnElement[bool]:
    begins: ColumnElement[bool] = column.startswith(f"v1:{key_id}:", autoescape=True)
    return begins


def _scalar(query: Select[Any]) -> Any:
    with _crossing():
        return db.session.scalar(query)


def _crossing() -> AbstractContextManager[None]:
    crossing: Crossing = current_app.extensions.get("tenant_crossing", _within_one_floor)
    return crossing("the master keys seal every tenant's secrets")


def _within_one_floor(_reason: str) -> AbstractContextManager[None]:
    return nullcontext()
