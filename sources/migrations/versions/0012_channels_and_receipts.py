"""Channel kinds are checked by the registry of channels; a receiver's own id of a message is a receipt_ref."""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.execute("alter table app.notification_channels drop constraint ck_notification_channels_kind")
    op.execute("alter table app.notification_deliveries rename column provider_ref to receipt_ref")


def downgrade() -> None:
    op.execute("alter table app.notification_deliveries rename column receipt_ref to provider_ref")
    op.execute(
        "alter table app.notification_channels add constraint ck_notification_channels_kind "
        "check (kind in ('email', 'slack', 'webhook')) not valid"  # channels of other kinds stay
    )
