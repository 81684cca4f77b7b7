"""Tables of bookings, with their history, add-ons, lines and search index."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    ForeignKey,
    Index,
    Integer,
    Numeric,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import TSVECTOR, UUID

from sources.lifecycle import END_COLUMNS, STATUSES, EndColumn
from sources.row_values import EXTRA_STATUSES, PRIORITIES
from sources.tables.columns import (
    NOT_LANDED,
    SCHEMA,
    XID8,
    Money,
    Timestamp,
    belongs_to,
    check,
    currency_column,
    hub_table,
    listed,
    metadata,
    money_column,
    one_of,
    operational_table,
    text_column,
    timestamp_column,
    uuid_column,
)


def _require_end(column: EndColumn) -> CheckConstraint:
    """Return the CHECK that an ended booking has its moment in `column`; an imported one may lack it."""
    ends = tuple(status for status, end_column in END_COLUMNS.items() if end_column == column)
    condition = f"{column} is not null or external_ref is not null"
    return check(f"status not in {listed(ends)} or {condition}", column, "status", "external_ref")


bookings = operational_table(
    "bookings",
    text_column("booking_number"),
    uuid_column("client_id"),
    uuid_column("provider_id", required=False),
    uuid_column("service_id"),
    uuid_column("package_id", required=False),
    text_column("status"),
    text_column("priority", default="normal"),
    text_column("title"),
    text_column("channel", required=False),  # the way the booking came, such as website or travel agent
    money_column("total_amount"),  # may be negative: a correction is a booking too
    currency_column(),
    timestamp_column("scheduled_start"),
    timestamp_column("scheduled_end"),
    Column("progress_pct", Numeric(5, 2), nullable=False, server_default=text("0")),
    text_column("cancel_reason", required=False),
    timestamp_column("cancelled_at"),  # null although cancelled: unknown
    timestamp_column("completed_at"),  # null although completed: unknown
    # False: it is unknown when the booking was made, and created_at is its earliest known moment.
    Column("created_at_known", Boolean, nullable=False, server_default=text("true")),
    text_column("external_ref", required=False),
    text_column("notes", required=False),
    Column("deposit_amount", Money, nullable=False, server_default=text("0")),  # due before the confirmation
    Column("cancellation_fee", Money),
    # The terms on which the operations rely; null, as in imported bookings, where the price was agreed elsewhere.
    Column("offered_amount", Money, info=NOT_LANDED),  # a price that the client has not accepted yet; null: accepted
    Column("list_amount", Money, info=NOT_LANDED),  # the list price when it was booked; null: unknown, or quoted
    Column("priced_start", Timestamp, info=NOT_LANDED),  # the start that the price covers: the dearest that it had
    Column("fee_floor", Money, info=NOT_LANDED),  # the fee that was due when the client moved it: the least later fee
    # The start before staff moved it, infinity if there was none; null: the client knows the present one.
    Column("agreed_start", Timestamp, info=NOT_LANDED),
    # Under row security only leakproof comparisons can use an index: those of bigint are leakproof, of numeric not.
    Column(
        "amount_minor",
        BigInteger,
        Computed("((total_amount * 100)::bigint)", persisted=True),
        nullable=False,
        info=NOT_LANDED,
    ),
    # Bookings without a start are sorted last.
    Column(
        "start_key",
        Timestamp,
        Computed("COALESCE(scheduled_start, '9999-12-31 00:00:00+00'::timestamp with time zone)", persisted=True),
        nullable=False,
        info=NOT_LANDED,
    ),
    # Keeps its provider's time from other exclusive bookings; imported bookings may overlap.
    Column("is_exclusive", Boolean, nullable=False, server_default=text("true")),
    one_of("status", STATUSES),
    check("deposit_amount >= 0", "deposit_amount"),
    check("cancellation_fee >= 0", "cancellation_fee"),
    check("fee_floor >= 0", "fee_floor"),
    one_of("priority", PRIORITIES),
    check("progress_pct between 0 and 100", "progress_pct"),
    check("scheduled_end >= scheduled_start", "scheduled_start", "scheduled_end", name="schedule"),
    _require_end("completed_at"),
    _require_end("cancelled_at"),
    belongs_to("profiles", "client_id", cascade=False),
    belongs_to("profiles", "provider_id", cascade=False),
    belongs_to("services", "service_id", cascade=False),
    belongs_to("service_packages", "package_id", cascade=False),
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

booking_status_history = operational_table(
    "booking_status_history",
    uuid_column("booking_id"),
    text_column("from_status", required=False),  # null: the first status
    text_column("to_status"),
    uuid_column("actor_id", required=False),  # null: the system
    text_column("reason", required=False),
    timestamp_column("changed_at", required=True),
    # False: the moment is unknown, and changed_at only orders the changes.
    Column("changed_at_known", Boolean, nullable=False, server_default=text("true")),
    one_of("from_status", STATUSES),
    one_of("to_status", STATUSES),
    belongs_to("bookings", "booking_id"),
    belongs_to("profiles", "actor_id", cascade=False),
    Index(None, "org_id", "booking_id", "changed_at"),
)

booking_add_ons = hub_table(
    "booking_add_ons",
    uuid_column("booking_id"),
    uuid_column("add_on_id"),
    Column("quantity", Integer, nullable=False),
    money_column("unit_price"),
    money_column("amount"),
    check("quantity > 0", "quantity"),
    check("amount = quantity * unit_price", "amount", "quantity", "unit_price"),
    belongs_to("bookings", "booking_id"),
    belongs_to("service_add_ons", "add_on_id", cascade=False),
    UniqueConstraint("org_id", "booking_id", "add_on_id"),
)

# Amounts beyond the price; the total of the booking contains those that both sides accepted.
booking_extras = hub_table(
    "booking_extras",
    uuid_column("booking_id"),
    text_column("description"),
    money_column("amount"),
    text_column("status", default="proposed"),
    uuid_column("proposer_id"),
    uuid_column("decider_id", required=False),
    timestamp_column("decided_at"),
    text_column("reason", required=False),
    one_of("status", EXTRA_STATUSES),
    check("amount > 0", "amount"),
    check("(status = 'proposed') = (decided_at is null)", "decided_at", "status"),
    belongs_to("bookings", "booking_id"),
    belongs_to("profiles", "proposer_id", cascade=False),
    belongs_to("profiles", "decider_id", cascade=False),
    Index(None, "org_id", "booking_id"),
)

# The lines of an imported booking of several services. Ingestion does not copy this table.
booking_lines = hub_table(
    "booking_lines",
    uuid_column("booking_id"),
    uuid_column("service_id", required=False),
    uuid_column("provider_id", required=False),
    text_column("description", required=False),
    Column("quantity", Numeric(10, 2), nullable=False),
    Column("unit_price", Money),
    money_column("amount"),
    text_column("external_ref", required=False),
    Column("row_version", XID8(), nullable=False, server_default=text("pg_current_xact_id()")),
    belongs_to("bookings", "booking_id"),
    belongs_to("services", "service_id", cascade=False),
    belongs_to("profiles", "provider_id", cascade=False),
    UniqueConstraint("org_id", "external_ref"),
    Index(None, "org_id", "booking_id"),
)

booking_search = Table(
    "booking_search",
    metadata,
    Column("booking_id", UUID(as_uuid=True), ForeignKey(f"{SCHEMA}.bookings.id", ondelete="CASCADE"), primary_key=True),
    uuid_column("org_id"),
    Column("document", Text, nullable=False),  # number, title, client and notes, case-folded
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
