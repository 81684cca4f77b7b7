"""${message}"""

from alembic import op
import sqlalchemy as sa

import sources.tables
from sources.migrations import helpers
${imports if imports else ""}

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
