"""Explanations of discrepancies in Chinese too

There is no way back: it would drop what people paid for. Restore a backup instead.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("discrepancies", schema=None) as batch_op:
        batch_op.add_column(sa.Column("explanation_zh", sa.String(length=512), nullable=True))
