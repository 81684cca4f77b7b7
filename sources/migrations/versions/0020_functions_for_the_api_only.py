"""The functions of schema app are for the API: EXECUTE is not left to every role of the database."""

from alembic import op

revision = "0020"
down_revision = "0019"

# The functions that earlier revisions have closed already.
CLOSED_BEFORE = "app.live_changes_since, app.resume_point, app.booking_figures, app.outstanding, app.request_insights"


def upgrade() -> None:
    op.execute("revoke execute on all functions in schema app from public")
    op.execute("grant execute on all functions in schema app to hub_api")


def downgrade() -> None:
    op.execute("grant execute on all functions in schema app to public")
    op.execute("revoke execute on all functions in schema app from hub_api")
    op.execute(f"revoke execute on function {CLOSED_BEFORE} from public")
    op.execute(f"grant execute on function {CLOSED_BEFORE} to hub_api")
