"""${message}"""

from alembic import op
import sqlalchemy as sa

import sources.tables
from sources.migrations import helpers
${imports if imports else ""}

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    """Bring the database from the revision before to this one."""
% if upgrades:
    ${upgrades}
% endif


def downgrade() -> None:
    """Bring the database back to the revision before."""
% if downgrades:
    ${downgrades}
% endif
