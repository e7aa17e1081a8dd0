"""${message}

There is no way back: it would drop what people paid for. Restore a backup instead.
"""

import sqlalchemy as sa
from alembic import op

from config.database import UtcDateTime, big_integer, identifier, long_text
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}
