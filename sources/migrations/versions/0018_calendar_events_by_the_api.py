"""Calendar events are changed by the API."""

from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.execute("grant update on app.calendar_events to hub_api")


def downgrade() -> None:
    op.execute("revoke update on app.calendar_events from hub_api")
