"""However a query is written, the tenant's rows are all it sees."""

from collections.abc import Callable

import pytest
from sqlalchemy import (
    Executable,
    bindparam,
    delete,
    exists,
    func,
    insert,
    select,
    union_all,
    update,
)
from sqlalchemy.orm import aliased

from config.batches import insert_rows
from config.clock import now
from config.database import changed_rows, db, dialect_here, read, transaction
from config.inserts import insert_new
from config.prepared import Prepared
from payments.orders.models import Order
from payments.webhooks.models import WebhookEvent
from submerchants.tenancy import NoTenant, acting_for
from submerchants.tenants.models import SubMerchant
from tests.books import all_events, all_orders
from tests.factories.payments import make_order
from tests.factories.submerchants import make_sub_merchant

other = aliased(Order)

SHAPES: dict[str, Callable[[], Executable]] = {
    "entities": lambda: select(Order),
    "columns": lambda: select(Order.id),
    "an alias": lambda: select(other.id),
    "two selects in one": lambda: union_all(select(Order.id), select(Order.id)),
    "a subquery": lambda: select(select(Order.id).subquery().c.id),
    "a common table": lambda: select(select(Order.id).cte("found").c.id),
    "a scalar subquery": lambda: select(select(func.max(Order.id)).scalar_subquery()),
    "a join from a free table": lambda: (
        select(Order.id)
        .select_from(SubMerchant)
        .join(Order, Order.sub_merchant_id == SubMerchant.id)
    ),
    "an outer join": lambda: (
        select(other.id)
        .select_from(Order)
        .outerjoin(other, other.currency == Order.currency)
        .where(other.id.is_not(None))
    ),
    "an exists": lambda: select(SubMerchant.id).where(
        exists().where(Order.sub_merchant_id == SubMerchant.id)
    ),
    "an in": lambda: select(SubMerchant.id).where(
        SubMerchant.id.in_(select(Order.sub_merchant_id))
    ),
}


@pytest.fixture
def two_tenants(app):
    mine, theirs = make_sub_merchant(), make_sub_merchant()
    return make_order(sub_merchant=mine), make_order(sub_merchant=theirs)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_query_sees_nothing_of_another_tenant(two_tenants, shape):
    mine, theirs = two_tenants

    with acting_for(mine.sub_merchant_id):
        found = {
            value.id if isinstance(value, Order) else value
            for value in db.session.scalars(SHAPES[shape]())
        }

    assert found in ({mine.id}, {mine.sub_merchant_id})
    assert not found & {theirs.id, theirs.sub_merchant_id}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_query_without_a_tenant_is_refused(two_tenants, shape):
    with pytest.raises(NoTenant):
        db.session.scalars(SHAPES[shape]()).all()


def test_statements_that_change_rows_meet_the_tenants_only(two_tenants):
    mine, theirs = two_tenants

    with acting_for(mine.sub_merchant_id), transaction():
        changed = changed_rows(update(Order).values(description="mine"))
        deleted = changed_rows(delete(Order).where(Order.id == theirs.id))

    assert (changed, deleted) == (1, 0)
    assert {row.id: row.description for row in all_orders()}[theirs.id] != "mine"


def test_a_statement_on_the_table_instead_of_the_model_is_refused(two_tenants):
    mine, _ = two_tenants

    with acting_for(mine.sub_merchant_id), pytest.raises(NoTenant):
        db.session.execute(select(Order.__table__))


def test_a_prepared_statement_must_have_a_place_for_the_tenant(two_tenants):
    mine = two_tenants[0].sub_merchant_id
    everybodys = Prepared(select(Order.id), dialect_here())

    with acting_for(mine), pytest.raises(NoTenant):
        read(everybodys, {"sub_merchant_id": mine})


def test_a_prepared_statement_about_another_tenant_is_refused(two_tenants):
    mine, theirs = (order.sub_merchant_id for order in two_tenants)
    query = select(Order.id).where(Order.sub_merchant_id == bindparam("sub_merchant_id"))
    ones_own = Prepared(query, dialect_here())

    with acting_for(mine):
        found = read(ones_own, {"sub_merchant_id": mine})
        with pytest.raises(NoTenant):
            read(ones_own, {"sub_merchant_id": theirs})

    assert found == [{"id": two_tenants[0].id}]


def test_a_row_of_another_tenant_is_not_written(two_tenants):
    mine, theirs = (order.sub_merchant_id for order in two_tenants)
    row = {"id": "evt_x", "sub_merchant_id": theirs, "event_key": "k"}
    rest = {"type": "t", "object_id": "o", "data": "{}", "created_at": now()}
    event = WebhookEvent(**row, **rest)

    def write_rows():
        with transaction() as session:
            session.add(event)

    def write_values():
        with transaction():
            insert_new(WebhookEvent, row, unique=("sub_merchant_id", "event_key"))

    def write_statement():
        with transaction() as session:
            session.execute(insert(WebhookEvent).values(**row, **rest))

    def write_many():
        with transaction() as session:
            session.execute(insert(WebhookEvent), [{**row, **rest}])

    def write_batch():
        with transaction():
            ones_own = {**row, **rest, "id": "evt_y", "event_key": "l", "sub_merchant_id": mine}
            insert_rows(WebhookEvent, [ones_own, {**row, **rest}])

    for write in (write_rows, write_values, write_statement, write_many, write_batch):
        with acting_for(mine), pytest.raises(NoTenant):
            write()

    assert all_events() == []


def test_a_row_of_another_tenant_that_is_at_hand_is_not_changed(two_tenants):
    mine, theirs = two_tenants
    with acting_for(theirs.sub_merchant_id):
        row = db.session.get_one(Order, theirs.id)

    with acting_for(mine.sub_merchant_id), pytest.raises(NoTenant), transaction():
        row.description = "mine"

    assert [each.description for each in all_orders()] == ["Tea", "Tea"]


def test_a_row_of_another_tenant_that_is_at_hand_is_not_deleted(two_tenants):
    mine, theirs = two_tenants
    with acting_for(theirs.sub_merchant_id):
        row = db.session.get_one(Order, theirs.id)

    with acting_for(mine.sub_merchant_id), pytest.raises(NoTenant), transaction() as session:
        session.delete(row)

    assert len(all_orders()) == 2
