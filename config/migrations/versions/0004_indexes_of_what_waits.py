"""Indexes without what nobody looks for there

There is no way back: it would drop what people paid for. Restore a backup instead.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ORDERS = {
    "ix_orders_tenant_paid": ("paid_at", ["sub_merchant_id", "paid_at", "amount_fen"]),
    "ix_orders_paid": ("paid_at", ["paid_at", "amount_fen"]),
    "ix_orders_due": ("next_check_at", ["next_check_at"]),
}


def upgrade() -> None:
    unsealed = sa.text("position IS NULL")
    with op.batch_alter_table("audit_entries", schema=None) as batch_op:
        batch_op.create_index(
            "ix_audit_entries_unsealed",
            ["id"],
            unique=False,
            postgresql_where=unsealed,
            sqlite_where=unsealed,
        )
    # MySQL knows no such indexes: there they stay as they are.
    if op.get_bind().dialect.name in ("postgresql", "sqlite"):
        with op.batch_alter_table("orders", schema=None) as batch_op:
            for name, (moment, columns) in ORDERS.items():
                is_there = sa.text(f"{moment} IS NOT NULL")
                batch_op.drop_index(name)
                batch_op.create_index(
                    name, columns, unique=False, postgresql_where=is_there, sqlite_where=is_there
                )
