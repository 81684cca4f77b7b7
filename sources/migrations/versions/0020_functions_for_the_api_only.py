"""The functions of schema app are for the API: EXECUTE is not left to every role of the database."""

from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.execute("revoke execute on all functions in schema app from public")
    op.execute("grant execute on all functions in schema app to hub_api")


def downgrade() -> None:
    op.execute("grant execute on all functions in schema app to public")
    op.execute("revoke execute on all functions in schema app from hub_api")
    op.execute("revoke execute on function app.request_insights from public")
    op.execute("grant execute on function app.request_insights to hub_api")
