"""The tables of schema `app`: the operational business, and the Hub's own insights and deliveries.

Foreign keys carry the organisation (`org_id` first), so that no row can point into another tenant.
The Hub's own tables reference no operational table: those may live on another server (HUB_SOURCE_URL).
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Date,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR, UUID
from sqlalchemy.sql.schema import SchemaItem
from sqlalchemy.types import UserDefinedType

from sources.insight_values import (
    ATTEMPT_OUTCOMES,
    DELIVERY_STATES,
    INSIGHT_KINDS,
    INSIGHT_STATUSES,
    OCCASIONS,
    SEVERITIES,
    WAITING_STATES,
)
from sources.lifecycle import END_COLUMNS, STATUSES, EndColumn

SCHEMA: Final = "app"
metadata = MetaData(
    schema=SCHEMA,
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    },
)


class XID8(UserDefinedType[str]):
    """A 64-bit transaction id: the watermark that incremental ingestion reads."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "xid8"


WORKING_DAYS_CHECK: Final = "working_days <@ '{1,2,3,4,5,6,7}'"
Timestamp = DateTime(timezone=True)
Money = Numeric(14, 2)


def _id(name: str, *, required: bool = True) -> Column[object]:
    return Column(name, UUID(as_uuid=True), nullable=not required)


def _at(name: str, *, required: bool = False) -> Column[object]:
    return Column(name, Timestamp, nullable=not required)


def _text(name: str, *, required: bool = True, default: str | None = None) -> Column[str]:
    return Column(name, Text, nullable=not required, server_default=default)


def _money(name: str) -> Column[object]:
    return Column(name, Money, nullable=False)


def _working_days() -> Column[object]:
    return Column("working_days", ARRAY(SmallInteger))  # ISO weekdays: 1 is Monday


def _currency() -> Column[str]:
    return Column("currency", Text, nullable=False)


def _check(condition: str, *columns: str, name: str = "") -> CheckConstraint:
    """Return a CHECK on `columns`, named after the first of them or `name`; data quality checks name these columns."""
    return CheckConstraint(condition, name or columns[0], info={"columns": columns})


def _listed(values: tuple[str, ...]) -> str:
    """Return the values as a list in SQL."""
    return "(" + ", ".join(f"'{value}'" for value in values) + ")"


def _one_of(column: str, values: tuple[str, ...]) -> CheckConstraint:
    return _check(f"{column} in {_listed(values)}", column)


def _demand_end(column: EndColumn) -> CheckConstraint:
    """Demand the moment of an end in `column`; the moment of an imported booking may be unknown."""
    ends = tuple(status for status, end_column in END_COLUMNS.items() if end_column == column)
    condition = f"{column} is not null or external_ref is not null"
    return _check(f"status not in {_listed(ends)} or {condition}", column, "status", "external_ref")


def _belongs_to(parent: str, column: str, *, cascade: bool = True) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["org_id", column],
        [f"{SCHEMA}.{parent}.org_id", f"{SCHEMA}.{parent}.id"],
        ondelete="CASCADE" if cascade else None,
    )


def _table(name: str, *items: SchemaItem) -> Table:
    """A table with the columns that every table has."""
    columns = [item for item in items if isinstance(item, Column)]
    constraints = [item for item in items if not isinstance(item, Column)]
    if any(column.name == "currency" for column in columns):
        constraints.append(_check("currency ~ '^[A-Z]{3}$'", "currency"))  # ISO 4217
    return Table(
        name,
        metadata,
        Column("id", UUID(as_uuid=True), primary_key=True, server_default=text("uuidv7()")),
        Column("org_id", UUID(as_uuid=True), nullable=False),
        *columns,
        Column("created_at", Timestamp, nullable=False, server_default=text("now()")),
        Column("updated_at", Timestamp, nullable=False, server_default=text("now()")),
        UniqueConstraint("org_id", "id"),
        *constraints,
    )


def _operational(name: str, *items: SchemaItem, in_organization: bool = True) -> Table:
    """A table that ingestion reads: it also has the row_version watermark, kept by trigger."""
    version = Column("row_version", XID8(), nullable=False, server_default=text("pg_current_xact_id()"))
    owner = [ForeignKeyConstraint(["org_id"], [f"{SCHEMA}.organizations.id"], ondelete="CASCADE")]
    table = _table(name, *items, version, *(owner if in_organization else []))
    Index(None, table.c.row_version)
    return table


# --- the business --------------------------------------------------------------------------------

organizations = _operational(
    "organizations",
    _text("name"),
    _text("slug"),
    _text("timezone"),
    _text("country", required=False),  # ISO 3166-1 alpha-2: whose public holidays count
    _currency(),
    Column("settings", JSONB, nullable=False, server_default=text("'{}'")),
    _working_days(),  # null: read from when its bookings take place
    UniqueConstraint("slug"),
    _check(WORKING_DAYS_CHECK, "working_days"),
    _check("org_id = id", "org_id", "id", name="is_its_own_organization"),
    in_organization=False,
)

profiles = _operational(
    "profiles",
    _text("role"),
    _text("full_name"),
    _text("email", required=False),
    _text("client_group", required=False),  # the segment of a client, e.g. a market segment
    Column("capacity_hours_per_day", Numeric(5, 2)),  # of a provider, on a working day
    Column("is_active", Boolean, nullable=False, server_default=text("true")),
    _text("external_ref", required=False),
    _working_days(),  # of a provider; null: the organisation's
    _one_of("role", ("client", "provider", "admin")),
    _check(WORKING_DAYS_CHECK, "working_days"),
    _check("capacity_hours_per_day between 0 and 24", "capacity_hours_per_day", name="capacity"),
    UniqueConstraint("org_id", "email"),
    UniqueConstraint("org_id", "external_ref"),
)

provider_absences = _operational(
    "provider_absences",
    _id("provider_id"),
    Column("starts_on", Date, nullable=False),
    Column("ends_on", Date, nullable=False),  # the last day of it
    _text("reason", required=False),
    _check("ends_on >= starts_on", "starts_on", "ends_on", name="days"),
    _belongs_to("profiles", "provider_id"),
    Index(None, "org_id", "provider_id", "starts_on"),
)

services = _operational(
    "services",
    _text("name"),
    _text("category", required=False),
    _money("base_price"),
    _currency(),
    Column("duration_hours", Numeric(8, 2)),
    Column("is_active", Boolean, nullable=False, server_default=text("true")),
    _text("external_ref", required=False),
    _check("base_price >= 0", "base_price"),
    UniqueConstraint("org_id", "name"),
    UniqueConstraint("org_id", "external_ref"),
)

service_packages = _operational(
    "service_packages",
    _id("service_id"),
    _text("name"),
    _money("price"),
    _currency(),
    Column("hours_included", Numeric(8, 2)),
    _belongs_to("services", "service_id"),
    _check("price >= 0", "price"),
    UniqueConstraint("org_id", "service_id", "name"),
)

bookings = _operational(
    "bookings",
    _text("booking_number"),
    _id("client_id"),
    _id("provider_id", required=False),
    _id("service_id"),
    _id("package_id", required=False),
    _text("status"),
    _text("priority", default="normal"),
    _text("title"),
    _money("total_amount"),  # may be negative: a correction is a booking too
    _currency(),
    _at("scheduled_start"),
    _at("scheduled_end"),
    Column("progress_pct", Numeric(5, 2), nullable=False, server_default=text("0")),
    _text("cancel_reason", required=False),
    _at("cancelled_at"),  # null for a cancelled one: nobody knows when
    _at("completed_at"),  # null for a completed one: nobody knows when
    # False: nobody knows when it was made, and created_at is the earliest moment that is known of it.
    Column("created_at_known", Boolean, nullable=False, server_default=text("true")),
    _text("external_ref", required=False),
    _text("notes", required=False),
    Column("deposit_amount", Money, nullable=False, server_default=text("0")),  # due before it is confirmed
    Column("cancellation_fee", Money),
    # Comparisons of bigint are leakproof, those of numeric are not: only this can use an index under row security.
    Column("amount_minor", BigInteger, Computed("((total_amount * 100)::bigint)", persisted=True), nullable=False),
    # What has no start sorts after all that have one.
    Column(
        "start_key",
        Timestamp,
        Computed("COALESCE(scheduled_start, '9999-12-31 00:00:00+00'::timestamp with time zone)", persisted=True),
        nullable=False,
    ),
    # Holds its provider's time against other exclusive bookings; recorded history may overlap.
    Column("is_exclusive", Boolean, nullable=False, server_default=text("true")),
    _one_of("status", STATUSES),
    _check("deposit_amount >= 0", "deposit_amount"),
    _check("cancellation_fee >= 0", "cancellation_fee"),
    _one_of("priority", ("low", "normal", "high", "urgent")),
    _check("progress_pct between 0 and 100", "progress_pct"),
    _check("scheduled_end >= scheduled_start", "scheduled_start", "scheduled_end", name="schedule"),
    _demand_end("completed_at"),
    _demand_end("cancelled_at"),
    _belongs_to("profiles", "client_id", cascade=False),
    _belongs_to("profiles", "provider_id", cascade=False),
    _belongs_to("services", "service_id", cascade=False),
    _belongs_to("service_packages", "package_id", cascade=False),
    UniqueConstraint("org_id", "booking_number"),
    UniqueConstraint("org_id", "external_ref"),
    Index("ix_bookings_created", "org_id", "created_at", "id"),
    Index("ix_bookings_created_of_status", "org_id", "status", "created_at", "id"),
    Index("ix_bookings_created_of_client", "org_id", "client_id", "created_at", "id"),
    Index("ix_bookings_created_of_provider", "org_id", "provider_id", "created_at", "id"),
    Index("ix_bookings_created_of_service", "org_id", "service_id", "created_at", "id"),
    Index("ix_bookings_start", "org_id", "start_key", "id"),
    Index("ix_bookings_start_of_status", "org_id", "status", "start_key", "id"),
    Index("ix_bookings_start_of_provider", "org_id", "provider_id", "start_key", "id"),
    Index("ix_bookings_amount", "org_id", "amount_minor", "id"),
    Index("ix_bookings_totals", "org_id", "status", "currency", postgresql_include=["amount_minor"]),
    Index("ix_bookings_amount_of_service", "org_id", "service_id", "amount_minor", "id"),
)

booking_status_history = _operational(
    "booking_status_history",
    _id("booking_id"),
    _text("from_status", required=False),  # null: the first one
    _text("to_status"),
    _id("actor_id", required=False),  # null: the system
    _text("reason", required=False),
    _at("changed_at", required=True),
    # False: nobody knows when, and changed_at is its place in the order of events.
    Column("changed_at_known", Boolean, nullable=False, server_default=text("true")),
    _one_of("from_status", STATUSES),
    _one_of("to_status", STATUSES),
    _belongs_to("bookings", "booking_id"),
    _belongs_to("profiles", "actor_id", cascade=False),
    Index(None, "org_id", "booking_id", "changed_at"),
)

milestones = _operational(
    "milestones",
    _id("booking_id"),
    _text("title"),
    Column("position", SmallInteger, nullable=False),
    Column("weight", Numeric(6, 2), nullable=False, server_default=text("1")),
    _text("status", default="pending"),
    Column("progress_pct", Numeric(5, 2), nullable=False, server_default=text("0")),
    _at("due_at"),
    _at("completed_at"),
    _one_of("status", ("pending", "in_progress", "submitted", "approved", "cancelled")),
    _check("weight > 0", "weight"),
    _check("progress_pct between 0 and 100", "progress_pct"),
    _belongs_to("bookings", "booking_id"),
    UniqueConstraint("org_id", "booking_id", "position"),
)

tasks = _operational(
    "tasks",
    _id("booking_id"),
    _id("milestone_id"),
    _id("assignee_id", required=False),
    _text("title"),
    _text("status", default="todo"),
    Column("weight", Numeric(6, 2), nullable=False, server_default=text("1")),
    Column("progress_pct", Numeric(5, 2), nullable=False, server_default=text("0")),
    Column("estimated_hours", Numeric(8, 2)),
    _at("due_at"),
    _at("completed_at"),
    _one_of("status", ("todo", "in_progress", "done", "cancelled")),
    _check("weight > 0", "weight"),
    _check("progress_pct between 0 and 100", "progress_pct"),
    _belongs_to("bookings", "booking_id"),
    _belongs_to("milestones", "milestone_id"),
    _belongs_to("profiles", "assignee_id", cascade=False),
    Index(None, "org_id", "milestone_id"),
    Index(None, "org_id", "booking_id"),
    Index(None, "org_id", "assignee_id", "due_at"),
)

time_entries = _operational(
    "time_entries",
    _id("booking_id"),
    _id("task_id", required=False),
    _id("provider_id"),
    _at("started_at", required=True),
    _at("ended_at"),  # null: the timer runs
    Column("billable", Boolean, nullable=False, server_default=text("true")),
    _text("note", required=False),
    Column("is_exclusive", Boolean, nullable=False, server_default=text("true")),  # recorded history may overlap
    _text("external_ref", required=False),
    _check("ended_at > started_at", "started_at", "ended_at", name="ends_after_start"),
    UniqueConstraint("org_id", "external_ref"),
    _belongs_to("bookings", "booking_id"),
    _belongs_to("tasks", "task_id"),
    _belongs_to("profiles", "provider_id", cascade=False),
    Index(None, "org_id", "booking_id"),
    Index(None, "org_id", "task_id"),
    Index(None, "org_id", "provider_id", "started_at"),
)

approvals = _operational(
    "approvals",
    _id("booking_id"),
    _id("milestone_id", required=False),
    Column("round", SmallInteger, nullable=False, server_default=text("1")),  # asked anew: the latest one counts
    Column("level", SmallInteger, nullable=False, server_default=text("1")),
    _id("approver_id", required=False),
    _text("approver_role", required=False),  # anyone of this role may decide, where no person is named
    _text("status", default="pending"),
    _text("reason", required=False),
    _id("decided_by", required=False),  # null: recorded without it
    _at("decided_at"),
    _one_of("approver_role", ("client", "provider", "admin")),
    _one_of("status", ("pending", "approved", "rejected", "closed")),  # closed: its round ended before its turn
    _check("level > 0", "level"),
    _check("round > 0", "round"),
    _check("(status = 'pending') = (decided_at is null)", "decided_at", "status"),
    _belongs_to("bookings", "booking_id"),
    _belongs_to("milestones", "milestone_id"),
    _belongs_to("profiles", "approver_id", cascade=False),
    _belongs_to("profiles", "decided_by", cascade=False),
    UniqueConstraint("org_id", "booking_id", "milestone_id", "round", "level", postgresql_nulls_not_distinct=True),
    Index(None, "org_id", "booking_id"),
    Index(None, "org_id", "milestone_id"),
)

invoices = _operational(
    "invoices",
    _id("booking_id"),
    _id("client_id"),
    _text("invoice_number", required=False),  # gap-free in the organisation, given when issued
    _text("status", default="draft"),
    _money("total_amount"),
    _currency(),
    _text("kind", default="custom"),
    _text("void_reason", required=False),
    _at("issued_at"),
    _at("due_at"),
    _text("external_ref", required=False),
    UniqueConstraint("org_id", "external_ref"),
    _one_of("status", ("draft", "issued", "part_paid", "paid", "overdue", "void")),
    _one_of("kind", ("deposit", "final", "fee", "custom")),
    _check("status in ('draft', 'void') or issued_at is not null", "issued_at", "status"),
    _check("issued_at is null or invoice_number is not null", "invoice_number", "issued_at"),
    _belongs_to("bookings", "booking_id"),
    _belongs_to("profiles", "client_id", cascade=False),
    UniqueConstraint("org_id", "invoice_number"),
    Index(None, "org_id", "booking_id"),
    Index(None, "org_id", "client_id"),
    Index(None, "org_id", "status", "due_at"),
)

invoice_lines = _operational(
    "invoice_lines",
    _id("invoice_id"),
    Column("position", SmallInteger, nullable=False),
    _text("description"),
    Column("quantity", Numeric(10, 2), nullable=False),
    _money("unit_price"),
    _money("amount"),
    _check("amount = round(quantity * unit_price, 2)", "amount", "quantity", "unit_price"),
    _belongs_to("invoices", "invoice_id"),
    UniqueConstraint("org_id", "invoice_id", "position"),
)

payments = _operational(
    "payments",
    _id("invoice_id", required=False),  # null: imported from a file that names no invoices
    _id("booking_id"),
    _text("kind", default="payment"),
    _text("status", default="pending"),
    _money("amount"),  # positive for both kinds: a refund is subtracted where money is summed
    _currency(),
    _text("method", default="card"),
    _text("provider", default="manual"),  # who moved the money, such as stripe; manual: recorded by people
    _text("provider_ref", required=False),
    _id("refund_of", required=False),  # the payment that a refund gives back
    _text("note", required=False),
    _text("failure_reason", required=False),
    _at("paid_at"),  # null for one that succeeded: nobody knows when
    _text("external_ref", required=False),
    UniqueConstraint("org_id", "external_ref"),
    _one_of("kind", ("payment", "refund")),
    _one_of("status", ("pending", "succeeded", "failed")),
    _check("amount > 0", "amount"),
    # Of an imported one, the moment may be unknown, and so may the invoice.
    _check(
        "status <> 'succeeded' or paid_at is not null or external_ref is not null", "paid_at", "status", "external_ref"
    ),
    _check("invoice_id is not null or external_ref is not null", "invoice_id", "external_ref"),
    _belongs_to("invoices", "invoice_id"),
    _belongs_to("bookings", "booking_id"),
    _belongs_to("payments", "refund_of", cascade=False),
    _check("refund_of is null or kind = 'refund'", "refund_of", "kind"),
    UniqueConstraint("provider", "provider_ref", "org_id"),
    Index("ix_payments_refund_of", "org_id", "refund_of", postgresql_where=text("refund_of is not null")),
    Index(None, "org_id", "invoice_id"),
    Index(None, "org_id", "booking_id"),
    Index(None, "org_id", "paid_at"),
)

messages = _operational(
    "messages",
    _id("booking_id"),
    _id("sender_id"),
    _text("body"),
    _at("sent_at", required=True),
    _at("read_at"),
    _belongs_to("bookings", "booking_id"),
    _belongs_to("profiles", "sender_id", cascade=False),
    Index(None, "org_id", "booking_id", "sent_at"),
)

reviews = _operational(
    "reviews",
    _id("booking_id"),
    _id("client_id"),
    _id("provider_id", required=False),
    Column("rating", SmallInteger, nullable=False),
    _text("comment", required=False),
    _at("reviewed_at", required=True),
    _text("external_ref", required=False),
    UniqueConstraint("org_id", "external_ref"),
    _check("rating between 1 and 5", "rating"),
    _belongs_to("bookings", "booking_id"),
    _belongs_to("profiles", "client_id", cascade=False),
    _belongs_to("profiles", "provider_id", cascade=False),
    UniqueConstraint("org_id", "booking_id"),
)

# Ingested in this order: each table after those that it references.
OPERATIONAL: Final = tuple(table for table in metadata.sorted_tables if "row_version" in table.c)

tombstones = Table(
    "tombstones",
    metadata,
    Column("table_name", Text, primary_key=True),
    Column("row_id", UUID(as_uuid=True), primary_key=True),
    _id("org_id"),
    Column("deleted_at", Timestamp, nullable=False, server_default=text("now()")),
    Column("row_version", XID8(), nullable=False, server_default=text("pg_current_xact_id()")),
    Index(None, "table_name", "row_version"),
)

# --- the Hub's own: what the sample planted, imports, insights, deliveries, access ----------------

sample_incidents = _table(
    "sample_incidents",
    _text("kind"),
    _text("description"),
    Column("metrics", ARRAY(Text), nullable=False),  # of kpi_daily, those that it moves
    _text("dimension", default="total"),
    _text("member", default="all"),
    _text("direction"),
    Column("starts_on", Date, nullable=False),
    Column("ends_on", Date, nullable=False),
    _one_of("direction", ("up", "down")),
    _check("ends_on >= starts_on", "starts_on", "ends_on", name="days"),
)

import_rejections = _table(
    "import_rejections",
    _text("mapping"),
    _text("kind", required=False),  # of the record that the row did not become
    _text("external_ref", required=False),
    _text("file_name"),
    Column("row_number", BigInteger, nullable=False),
    _text("row_key"),  # the identity of the row's content, so that a second import adds nothing
    _text("field"),
    _text("value", required=False),
    _text("message"),
    UniqueConstraint("org_id", "mapping", "row_key", "field"),
)

# What an import has taken over: a change in the file is told from a change here.
import_records = Table(
    "import_records",
    metadata,
    Column("org_id", UUID(as_uuid=True), primary_key=True),
    Column("mapping", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("external_ref", Text, primary_key=True),
    _id("row_id"),
    Column("digest", BigInteger, nullable=False),  # of the record as the file had it
    Column("row_version", XID8(), nullable=False),  # of the row as it was left
)

# The services of a booking of several, as its source lists them; not ingested yet.
booking_lines = _table(
    "booking_lines",
    _id("booking_id"),
    _id("service_id", required=False),
    _id("provider_id", required=False),
    _text("description", required=False),
    Column("quantity", Numeric(10, 2), nullable=False),
    Column("unit_price", Money),
    _money("amount"),
    _text("external_ref", required=False),
    Column("row_version", XID8(), nullable=False, server_default=text("pg_current_xact_id()")),
    _belongs_to("bookings", "booking_id"),
    _belongs_to("services", "service_id", cascade=False),
    _belongs_to("profiles", "provider_id", cascade=False),
    UniqueConstraint("org_id", "external_ref"),
    Index(None, "org_id", "booking_id"),
)

insight_run_logs = Table(
    "insight_run_logs",
    metadata,
    Column("id", UUID(as_uuid=True), primary_key=True, server_default=text("uuidv7()")),
    _id("org_id", required=False),  # null: every organisation
    Column("as_of", Date),
    _text("status", default="requested"),
    _text("requested_by", required=False),
    _text("error", required=False),
    Column("counts", JSONB, nullable=False, server_default=text("'{}'")),
    _at("started_at"),
    _at("finished_at"),
    Column("created_at", Timestamp, nullable=False, server_default=text("now()")),
    Column("updated_at", Timestamp, nullable=False, server_default=text("now()")),
    _one_of("status", ("requested", "running", "succeeded", "failed")),
    Index(None, "status", "created_at"),
)

insight_events = _table(
    "insight_events",
    _text("kind"),
    _text("severity"),
    _text("metric"),
    _text("dimension", default="total"),
    _text("member", default="all"),
    Column("day", Date, nullable=False),
    _text("title"),
    _text("summary"),
    Column("value", Numeric(18, 4)),
    Column("expected", Numeric(18, 4)),
    Column("lower", Numeric(18, 4)),
    Column("upper", Numeric(18, 4)),
    Column("impact", Money),
    Column("drivers", JSONB, nullable=False, server_default=text("'[]'")),
    _text("recommendation", required=False),
    _text("dedupe_key"),
    _text("status", default="open"),
    _at("first_seen", required=True),
    _at("last_seen", required=True),
    _at("resolved_at"),
    _text("feedback", required=False),
    _one_of("kind", INSIGHT_KINDS),
    _one_of("severity", SEVERITIES),
    _one_of("status", INSIGHT_STATUSES),
    UniqueConstraint("org_id", "dedupe_key"),
    Index(None, "org_id", "status", "day"),
)

notifications = _table(
    "notifications",
    _id("profile_id"),
    _id("insight_id"),
    _text("event"),
    _text("title"),
    _text("body"),
    _at("read_at"),
    _belongs_to("insight_events", "insight_id"),
    UniqueConstraint("org_id", "profile_id", "insight_id", "event"),
)

notification_channels = _table(
    "notification_channels",
    _text("name"),
    _text("kind"),  # one of notifications.channels
    _text("target"),  # addresses, a Slack channel, a URL: what its kind takes
    _text("min_severity", default="low"),
    Column("insight_kinds", ARRAY(Text), nullable=False, server_default=text("'{}'")),  # empty: every kind
    Column("sends_insights", Boolean, nullable=False, server_default=text("true")),
    Column("sends_digest", Boolean, nullable=False, server_default=text("true")),
    Column("is_active", Boolean, nullable=False, server_default=text("true")),
    _one_of("min_severity", SEVERITIES),
    UniqueConstraint("org_id", "name"),
)

notification_deliveries = _table(
    "notification_deliveries",
    _id("channel_id"),
    _id("insight_id", required=False),
    Column("digest_day", Date),
    _text("recipient"),
    _text("event"),
    _text("state", default="pending"),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("next_attempt_at", Timestamp, nullable=False, server_default=text("now()")),
    _at("sent_at"),
    _text("receipt_ref", required=False),  # the receiver's own id of the message: a Slack thread, a Message-ID
    _text("last_error", required=False),
    _one_of("event", OCCASIONS),
    _one_of("state", DELIVERY_STATES),
    _check("(event = 'digest') = (digest_day is not null)", "digest_day", "event"),
    _check("(event <> 'digest') = (insight_id is not null)", "insight_id", "event"),
    _check("(state = 'sent') = (sent_at is not null)", "sent_at", "state"),
    _belongs_to("notification_channels", "channel_id"),
    _belongs_to("insight_events", "insight_id"),
    UniqueConstraint(
        "org_id",
        "insight_id",
        "digest_day",
        "channel_id",
        "recipient",
        "event",
        name="uq_notification_deliveries_once",
        postgresql_nulls_not_distinct=True,
    ),
    Index(
        "ix_notification_deliveries_due",
        "next_attempt_at",
        postgresql_where=text(f"state in {WAITING_STATES}"),
    ),
)

notification_attempts = _table(
    "notification_attempts",
    _id("delivery_id"),
    Column("attempt", Integer, nullable=False),
    _at("attempted_at", required=True),
    _text("outcome"),
    _text("detail", required=False),
    _one_of("outcome", ATTEMPT_OUTCOMES),
    _belongs_to("notification_deliveries", "delivery_id"),
    UniqueConstraint("org_id", "delivery_id", "attempt"),
)

# --- what the write API adds: prices, numbers, payment events, live events, search ------------------

service_add_ons = _table(
    "service_add_ons",
    _id("service_id"),
    _text("name"),
    _money("price"),
    _currency(),
    Column("is_active", Boolean, nullable=False, server_default=text("true")),
    _belongs_to("services", "service_id"),
    _check("price >= 0", "price"),
    UniqueConstraint("org_id", "service_id", "name"),
)

price_rules = _table(
    "price_rules",
    _id("service_id", required=False),  # null: every service
    _id("package_id", required=False),  # null: every package, and none
    _text("name"),
    Column("weekdays", ARRAY(SmallInteger)),  # ISO: 1 is Monday; of the start, in the organisation's zone
    Column("starts_on", Date),  # of the start
    Column("ends_on", Date),
    Column("min_lead_days", Integer),  # from booking to start
    Column("max_lead_days", Integer),
    Column("adjust_pct", Numeric(6, 2), nullable=False),  # applied one after the other, by position
    Column("position", SmallInteger, nullable=False, server_default=text("1")),
    Column("is_active", Boolean, nullable=False, server_default=text("true")),
    _belongs_to("services", "service_id"),
    _belongs_to("service_packages", "package_id"),
    _check("adjust_pct > -100", "adjust_pct"),
    UniqueConstraint("org_id", "name"),
)

booking_add_ons = _table(
    "booking_add_ons",
    _id("booking_id"),
    _id("add_on_id"),
    Column("quantity", Integer, nullable=False),
    _money("unit_price"),
    _money("amount"),
    _check("quantity > 0", "quantity"),
    _check("amount = quantity * unit_price", "amount", "quantity", "unit_price"),
    _belongs_to("bookings", "booking_id"),
    _belongs_to("service_add_ons", "add_on_id", cascade=False),
    UniqueConstraint("org_id", "booking_id", "add_on_id"),
)

number_series = _table(
    "number_series",
    _text("series"),  # such as invoice
    Column("last_number", BigInteger, nullable=False),
    ForeignKeyConstraint(["org_id"], [f"{SCHEMA}.organizations.id"], ondelete="CASCADE"),
    UniqueConstraint("org_id", "series"),
)

payment_provider_events = _table(
    "payment_provider_events",
    _text("provider"),
    _text("event_id"),
    _text("event_type"),
    _text("object_ref", required=False),  # what it speaks of, such as a payment intent
    _text("status"),
    Column("payload", JSONB, nullable=False),
    _one_of("status", ("applied", "waiting", "ignored")),
    UniqueConstraint("provider", "event_id"),
    Index(None, "provider", "object_ref", "status"),
)

booking_search = Table(
    "booking_search",
    metadata,
    Column("booking_id", UUID(as_uuid=True), ForeignKey(f"{SCHEMA}.bookings.id", ondelete="CASCADE"), primary_key=True),
    _id("org_id"),
    Column("document", Text, nullable=False),  # number, title, client, notes: folded
    Column("words", TSVECTOR, Computed("to_tsvector('simple', document)", persisted=True), nullable=False),
    Index("ix_booking_search_words", "org_id", "words", postgresql_using="gin"),
    Index(
        "ix_booking_search_trigrams",
        "org_id",
        "document",
        postgresql_using="gin",
        postgresql_ops={"document": "gin_trgm_ops"},
    ),
)

EVENT_KINDS: Final = (
    "booking.created",
    "booking.changed",
    "booking.progress",
    "message.created",
    "insight.changed",
    "reload",  # too many rows changed at once: read anew
)

events = Table(
    "events",
    metadata,
    Column("id", UUID(as_uuid=True), primary_key=True, server_default=text("uuidv7()")),
    _id("org_id"),
    _text("kind"),
    _id("booking_id", required=False),
    _id("client_id", required=False),  # who may see it, beside admins
    _id("provider_id", required=False),
    Column("data", JSONB, nullable=False),
    Column("transaction_id", XID8(), nullable=False, server_default=text("pg_current_xact_id()")),
    # Every transaction before this one had ended when the event was written: where a reader resumes.
    Column("horizon", XID8(), nullable=False, server_default=text("pg_snapshot_xmin(pg_current_snapshot())")),
    Column("created_at", Timestamp, nullable=False, server_default=text("now()")),
    _one_of("kind", EVENT_KINDS),
    Index(None, "org_id", "transaction_id"),
    Index(None, "created_at", postgresql_using="brin"),
)

api_keys = _table(
    "api_keys",
    _id("profile_id"),
    _text("name"),
    _text("prefix"),
    Column("key_hash", LargeBinary, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    _at("last_used_at"),
    _at("revoked_at"),
    _belongs_to("profiles", "profile_id"),
    UniqueConstraint("key_hash"),
)

idempotency_keys = _table(
    "idempotency_keys",
    _id("profile_id"),
    _text("key"),
    Column("request_hash", LargeBinary, nullable=False),
    Column("response_status", SmallInteger),
    Column("response_body", JSONB),
    _belongs_to("profiles", "profile_id"),
    UniqueConstraint("org_id", "profile_id", "key"),
)
