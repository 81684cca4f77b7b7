"""Tables of insights, of the runs that generate them, and of what people said about them."""

from sqlalchemy import Boolean, Column, Date, Index, Integer, Numeric, Table, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB, UUID

from sources.insight_values import (
    DISMISSAL_REASONS,
    FEEDBACK_REASONS,
    INSIGHT_KINDS,
    INSIGHT_STATUSES,
    SEVERITIES,
)
from sources.tables.columns import (
    Money,
    Timestamp,
    belongs_to,
    hub_table,
    metadata,
    one_of,
    text_column,
    timestamp_column,
    uuid_column,
)


def _list_column(name: str) -> Column[object]:
    return Column(name, JSONB, nullable=False, server_default=text("'[]'"))


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
    _list_column("drivers"),
    text_column("recommendation", required=False),
    text_column("dedupe_key"),
    text_column("status", default="open"),
    timestamp_column("first_seen", required=True),
    timestamp_column("last_seen", required=True),
    timestamp_column("resolved_at"),
    text_column("feedback", required=False),
    Column("started_on", Date),  # the first day of the condition
    text_column("direction", required=False),
    text_column("pattern", required=False),  # of an anomaly
    _list_column("effects"),  # metric, label, dimension, member_name, value, expected, impact, sentence
    _list_column("facts"),  # sentences: what is known beside it
    _list_column("actions"),  # text, link, impact: what to do
    Column("size", Numeric(18, 4)),  # the money at stake, or where it has none the distance from the expected figure
    Column("share", Numeric(18, 4)),  # of the expected figure
    Column("is_size_money", Boolean),
    timestamp_column("told_at"),  # when people were last told of it, with its size and severity of then
    Column("told_size", Numeric(18, 4)),
    Column("told_share", Numeric(18, 4)),
    Column("is_told_size_money", Boolean),
    text_column("told_severity", required=False),
    timestamp_column("worsened_at"),
    Column("worsened_times", Integer, nullable=False, server_default=text("0")),
    text_column("feedback_reason", required=False),  # of a dismissed one
    Column("useful", Boolean),
    text_column("closed_by", required=False),  # the person who resolved or dismissed it; null: a run
    one_of("kind", INSIGHT_KINDS),
    one_of("severity", SEVERITIES),
    one_of("feedback_reason", DISMISSAL_REASONS),
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
    Column("attempts", Integer, nullable=False, server_default=text("0")),  # runs that were started for it
    text_column("error", required=False),
    Column("counts", JSONB, nullable=False, server_default=text("'{}'")),
    timestamp_column("started_at"),
    timestamp_column("finished_at"),
    Column("created_at", Timestamp, nullable=False, server_default=text("now()")),
    Column("updated_at", Timestamp, nullable=False, server_default=text("now()")),
    one_of("status", ("requested", "running", "succeeded", "failed")),
    Index(None, "status", "created_at"),
)

# What people said about insights, and what the Hub learns from it: it outlives the insight's own status.
insight_feedback = hub_table(
    "insight_feedback",
    uuid_column("insight_id"),
    text_column("reason"),
    text_column("given_by"),
    timestamp_column("given_at", required=True),
    text_column("kind"),
    text_column("metric"),
    text_column("dimension"),
    text_column("member"),
    text_column("direction"),
    Column("size", Numeric(18, 4)),  # of the insight then
    Column("share", Numeric(18, 4)),
    Column("is_size_money", Boolean),
    timestamp_column("as_of", required=True),  # the time of the run that last saw the insight
    text_column("comment", required=False),
    uuid_column("calendar_event_id", required=False),  # which a known event made
    timestamp_column("undone_at"),
    one_of("reason", FEEDBACK_REASONS),
    belongs_to("insight_events", "insight_id"),
    Index(None, "org_id", "given_at"),
)
