"""The audit trail: closed after the change, and every tampering found."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import delete, select, text, update

from config import audit
from config.audit import Actor, AuditEntry, AuditHead, acting_as, seal_entries, verify_chain
from config.database import changed_rows, db, transaction


@pytest.fixture
def chain(app):
    with transaction(), acting_as(Actor("operator", "op_1", "李雷", "192.0.2.1")):
        for number in range(5):
            audit.record("order.created", object_kind="order", object_id=f"ord_{number}", amount=1)
    seal_entries()


def tamper(statement) -> None:
    with transaction():
        assert changed_rows(statement) >= 1
    db.session.expire_all()


def test_a_whole_chain_has_no_faults(chain):
    report = verify_chain()

    assert (report.entries, report.unsealed, report.faults) == (5, 0, ())


def test_sealing_goes_on_where_it_ended(chain):
    before = verify_chain().head
    with transaction():
        audit.record("order.paid", object_kind="order", object_id="ord_1")
    waiting = verify_chain().unsealed

    sealed = seal_entries()

    assert (waiting, sealed, seal_entries()) == (1, 1, 0)
    assert verify_chain().faults == ()
    assert verify_chain().head != before


@pytest.mark.parametrize(
    "change",
    [
        {"actor_name": "韩梅梅"},
        {"detail": '{"amount": 2}'},
        {"object_id": "ord_9"},
        {"tenant_id": "t"},
        {"actor_kind": "staff"},
        {"actor_id": "op_2"},
        {"origin": "192.0.2.9"},
        {"request_id": "req_9"},
        {"action": "order.paid"},
        {"object_kind": "refund"},
        {"result": "refused"},
        {"happened_at": datetime(2026, 1, 1, tzinfo=UTC)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_an_altered_entry_is_found(chain, change):
    tamper(update(AuditEntry).where(AuditEntry.position == 3).values(**change))

    assert "entry 3 was altered" in verify_chain().faults


def test_a_removed_entry_is_found(chain):
    tamper(delete(AuditEntry).where(AuditEntry.position == 3))

    assert any("missing" in fault for fault in verify_chain().faults)


def test_a_cut_off_tail_is_found(chain):
    tamper(delete(AuditEntry).where(AuditEntry.position == 5))

    assert verify_chain().faults == ("the chain ends at 4, its head says 5",)


def test_a_cut_off_tail_with_a_moved_head_still_differs_from_the_noted_head(chain):
    noted = verify_chain().head
    tamper(delete(AuditEntry).where(AuditEntry.position == 5))
    last = db.session.scalars(select(AuditEntry.entry_hash).where(AuditEntry.position == 4)).one()
    tamper(update(AuditHead).values(position=4, entry_hash=last))

    report = verify_chain()

    assert report.faults == ()
    assert report.head != noted


def test_an_entry_is_written_with_its_change_or_not_at_all(app):
    def fail_after_recording() -> None:
        with transaction():
            audit.record("order.created", object_kind="order", object_id="ord_1")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_after_recording()

    assert verify_chain().unsealed == 0


def test_who_acted_is_written_and_secrets_are_not(app):
    with transaction(), acting_as(Actor("operator", "op_1", "李雷", "192.0.2.1")):
        audit.record("key.rotated", object_kind="partner", object_id="p", private_key="canary")

    entry = db.session.scalars(select(AuditEntry)).one()

    assert (entry.actor_kind, entry.actor_id, entry.origin) == ("operator", "op_1", "192.0.2.1")
    assert "canary" not in entry.detail


@pytest.mark.postgresql_only
def test_what_waits_for_its_link_is_found_without_sorting_or_walking_the_table(app):
    with transaction():
        for number in range(audit.SEAL_BATCH + 100):
            audit.record("order.created", object_kind="order", object_id=f"ord_{number}")
    while seal_entries():
        pass
    waiting = "SELECT * FROM audit_entries WHERE position IS NULL ORDER BY id LIMIT 200"

    plan = "\n".join(db.session.scalars(text(f"EXPLAIN {waiting}")))

    assert "ix_audit_entries_unsealed" in plan
    assert "Sort" not in plan
    assert verify_chain().faults == ()
