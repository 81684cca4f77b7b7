"""Tables of insights, and of the runs that generate them."""

from sqlalchemy import Column, Date, Index, Numeric, Table, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB, UUID

from sources.insight_values import INSIGHT_KINDS, INSIGHT_STATUSES, SEVERITIES
from sources.tables.columns import (
    Money,
    Timestamp,
    hub_table,
    metadata,
    one_of,
    text_column,
    timestamp_column,
    uuid_column,
)

insight_events = hub_table(
    "insight_events",
    text_column("kind"),
    text_column("severity"),
    text_column("metric"),
    text_column("dimension", default="total"),
    text_column("member", default="all"),
    Column("day", Date, nullable=False),
    text_column("title"),
    text_column("summary"),
    Column("value", Numeric(18, 4)),
    Column("expected", Numeric(18, 4)),
    Column("lower", Numeric(18, 4)),
    Column("upper", Numeric(18, 4)),
    Column("impact", Money),
    Column("drivers", JSONB, nullable=False, server_default=text("'[]'")),
    text_column("recommendation", required=False),
    text_column("dedupe_key"),
    text_column("status", default="open"),
    timestamp_column("first_seen", required=True),
    timestamp_column("last_seen", required=True),
    timestamp_column("resolved_at"),
    text_column("feedback", required=False),
    one_of("kind", INSIGHT_KINDS),
    one_of("severity", SEVERITIES),
    one_of("status", INSIGHT_STATUSES),
    UniqueConstraint("org_id", "dedupe_key"),
    Index(None, "org_id", "status", "day"),
)

insight_run_logs = Table(
    "insight_run_logs",
    metadata,
    Column("id", UUID(as_uuid=True), primary_key=True, server_default=text("uuidv7()")),
    uuid_column("org_id", required=False),  # null: all organisations
    Column("as_of", Date),
    text_column("status", default="requested"),
    text_column("requested_by", required=False),
    text_column("error", required=False),
    Column("counts", JSONB, nullable=False, server_default=text("'{}'")),
    timestamp_column("started_at"),
    timestamp_column("finished_at"),
    Column("created_at", Timestamp, nullable=False, server_default=text("now()")),
    Column("updated_at", Timestamp, nullable=False, server_default=text("now()")),
    one_of("status", ("requested", "running", "succeeded", "failed")),
    Index(None, "status", "created_at"),
)
