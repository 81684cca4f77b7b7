"""Tables of notifications: in-app notifications, channels, deliveries and their attempts."""

from sqlalchemy import Boolean, Column, Date, Index, Integer, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY

from sources.insight_values import ATTEMPT_OUTCOMES, DELIVERY_STATES, OCCASIONS, SEVERITIES, WAITING_STATES
from sources.tables.columns import (
    Timestamp,
    belongs_to,
    check,
    hub_table,
    listed,
    one_of,
    text_column,
    timestamp_column,
    uuid_column,
)

notifications = hub_table(
    "notifications",
    uuid_column("profile_id"),
    uuid_column("insight_id"),
    text_column("event"),
    text_column("title"),
    text_column("body"),
    timestamp_column("read_at"),
    Column("repeat", Integer, nullable=False, server_default=text("0")),  # as of a delivery
    belongs_to("insight_events", "insight_id"),
    # Named here: by the convention the name would be longer than PostgreSQL allows.
    UniqueConstraint("org_id", "profile_id", "insight_id", "event", "repeat", name="uq_notifications_once"),
)

notification_channels = hub_table(
    "notification_channels",
    text_column("name"),
    text_column("kind"),  # one of notifications.channels
    text_column("target"),  # addresses, a Slack channel or a URL, depending on the kind
    text_column("min_severity", default="low"),
    Column("insight_kinds", ARRAY(Text), nullable=False, server_default=text("'{}'")),  # empty: all kinds
    Column("sends_insights", Boolean, nullable=False, server_default=text("true")),
    Column("sends_digest", Boolean, nullable=False, server_default=text("true")),
    Column("is_active", Boolean, nullable=False, server_default=text("true")),
    Column("alerts_per_week", Integer),  # of each recipient; null: the default
    # Of a webhook: how often its secret was rotated, and when the last time (sources/channel_secrets.py).
    Column("secret_number", Integer, nullable=False, server_default=text("0")),
    timestamp_column("secret_changed_at"),
    timestamp_column("removed_at"),
    one_of("min_severity", SEVERITIES),
    check("alerts_per_week >= 0", "alerts_per_week"),
    check("removed_at is null or not is_active", "removed_at", "is_active", name="removed"),
    Index(
        "uq_notification_channels_org_id_name",
        "org_id",
        "name",
        unique=True,
        postgresql_where=text("removed_at is null"),
    ),
)

notification_deliveries = hub_table(
    "notification_deliveries",
    uuid_column("channel_id"),
    uuid_column("insight_id", required=False),
    uuid_column("view_id", required=False),  # a dashboard; no foreign key: the row stays when it is deleted
    Column("digest_day", Date),  # of a digest and of a dashboard: the last day of the figures
    text_column("recipient"),
    text_column("event"),
    text_column("state", default="pending"),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("next_attempt_at", Timestamp, nullable=False, server_default=text("now()")),
    timestamp_column("sent_at"),
    text_column("receipt_ref", required=False),  # the receiver's own id of the message: a Slack thread, a Message-ID
    text_column("last_error", required=False),
    Column(
        "repeat", Integer, nullable=False, server_default=text("0")
    ),  # of a worsened one and of a test: its number, from 1
    # The moment that counted as now for the run that caused the message.
    Column("told_at", Timestamp, nullable=False, server_default=text("now()")),
    one_of("event", OCCASIONS),
    one_of("state", DELIVERY_STATES),
    check("(event in ('digest', 'dashboard')) = (digest_day is not null)", "digest_day", "event"),
    check("(event not in ('digest', 'dashboard', 'test')) = (insight_id is not null)", "insight_id", "event"),
    check("(event = 'dashboard') = (view_id is not null)", "view_id", "event"),
    check("(state = 'sent') = (sent_at is not null)", "sent_at", "state"),
    belongs_to("notification_channels", "channel_id"),
    belongs_to("insight_events", "insight_id"),
    UniqueConstraint(
        "org_id",
        "insight_id",
        "view_id",
        "digest_day",
        "channel_id",
        "recipient",
        "event",
        "repeat",
        name="uq_notification_deliveries_once",
        postgresql_nulls_not_distinct=True,
    ),
    Index(
        "ix_notification_deliveries_due",
        "next_attempt_at",
        postgresql_where=text(f"state in {listed(WAITING_STATES)}"),
    ),
)

notification_attempts = hub_table(
    "notification_attempts",
    uuid_column("delivery_id"),
    Column("attempt", Integer, nullable=False),
    timestamp_column("attempted_at", required=True),
    text_column("outcome"),
    text_column("detail", required=False),
    one_of("outcome", ATTEMPT_OUTCOMES),
    belongs_to("notification_deliveries", "delivery_id"),
    UniqueConstraint("org_id", "delivery_id", "attempt"),
)
