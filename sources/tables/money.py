"""Tables of invoices and payments, number series, and events of payment processors."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Computed,
    ForeignKeyConstraint,
    Index,
    Numeric,
    SmallInteger,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID

from sources.row_values import INVOICE_KINDS, INVOICE_STATUSES, PAYMENT_KINDS, PAYMENT_STATUSES
from sources.tables.columns import (
    NOT_LANDED,
    SCHEMA,
    Money,
    belongs_to,
    check,
    currency_column,
    hub_table,
    money_column,
    one_of,
    operational_table,
    text_column,
    timestamp_column,
    uuid_column,
)

invoices = operational_table(
    "invoices",
    uuid_column("booking_id"),
    uuid_column("client_id"),
    text_column("invoice_number", required=False),  # without gaps in the organisation, assigned on issue
    text_column("status", default="draft"),
    money_column("total_amount"),
    currency_column(),
    text_column("kind", default="custom"),
    text_column("void_reason", required=False),
    timestamp_column("issued_at"),
    timestamp_column("due_at"),
    text_column("external_ref", required=False),
    Column(
        "is_receivable",
        Boolean,
        Computed("(status <> ALL (ARRAY['draft'::text, 'void'::text]))", persisted=True),
        nullable=False,
    ),
    UniqueConstraint("org_id", "external_ref"),
    one_of("status", INVOICE_STATUSES),
    one_of("kind", INVOICE_KINDS),
    check("status in ('draft', 'void') or issued_at is not null", "issued_at", "status"),
    check("issued_at is null or invoice_number is not null", "invoice_number", "issued_at"),
    belongs_to("bookings", "booking_id"),
    belongs_to("profiles", "client_id", cascade=False),
    UniqueConstraint("org_id", "invoice_number"),
    Index(None, "org_id", "booking_id"),
    Index(None, "org_id", "client_id"),
    Index(None, "org_id", "status", "due_at"),
)

invoice_lines = operational_table(
    "invoice_lines",
    uuid_column("invoice_id"),
    Column("position", SmallInteger, nullable=False),
    text_column("description"),
    Column("quantity", Numeric(10, 2), nullable=False),
    money_column("unit_price"),
    money_column("amount"),
    check("amount = round(quantity * unit_price, 2)", "amount", "quantity", "unit_price"),
    belongs_to("invoices", "invoice_id"),
    UniqueConstraint("org_id", "invoice_id", "position"),
)

payments = operational_table(
    "payments",
    uuid_column("invoice_id", required=False),  # null: imported without an invoice
    uuid_column("booking_id"),
    text_column("kind", default="payment"),
    text_column("status", default="pending"),
    money_column("amount"),  # positive for payments and refunds; sums are of signed_amount
    currency_column(),
    text_column("method", default="card"),
    text_column("processor", default="manual"),  # the payment processor, such as stripe; manual: recorded by people
    text_column("processor_ref", required=False),
    uuid_column("refund_of", required=False),  # the refunded payment
    Column("announced_by", UUID(as_uuid=True), info=NOT_LANDED),  # who recorded it; null: the Hub, or unknown
    text_column("note", required=False),
    text_column("failure_reason", required=False),
    timestamp_column("paid_at"),  # null although succeeded: unknown
    text_column("external_ref", required=False),
    UniqueConstraint("org_id", "external_ref"),
    one_of("kind", PAYMENT_KINDS),
    one_of("status", PAYMENT_STATUSES),
    Column(
        "signed_amount",
        Money,
        Computed("CASE kind WHEN 'refund'::text THEN (- amount) ELSE amount END", persisted=True),
        nullable=False,
    ),
    check("amount > 0", "amount"),
    # An imported payment may lack its moment and its invoice.
    check(
        "status <> 'succeeded' or paid_at is not null or external_ref is not null", "paid_at", "status", "external_ref"
    ),
    check("invoice_id is not null or external_ref is not null", "invoice_id", "external_ref"),
    belongs_to("invoices", "invoice_id"),
    belongs_to("bookings", "booking_id"),
    belongs_to("payments", "refund_of", cascade=False),
    check("refund_of is null or kind = 'refund'", "refund_of", "kind"),
    UniqueConstraint("processor", "processor_ref", "org_id"),
    Index("ix_payments_refund_of", "org_id", "refund_of", postgresql_where=text("refund_of is not null")),
    Index(None, "org_id", "invoice_id"),
    Index(None, "org_id", "booking_id"),
    Index(None, "org_id", "paid_at"),
)

number_series = hub_table(
    "number_series",
    text_column("series"),  # such as invoice
    Column("last_number", BigInteger, nullable=False),
    ForeignKeyConstraint(["org_id"], [f"{SCHEMA}.organizations.id"], ondelete="CASCADE"),
    UniqueConstraint("org_id", "series"),
)

processor_events = hub_table(
    "processor_events",
    text_column("processor"),
    text_column("event_id"),
    text_column("event_type"),
    text_column("object_ref", required=False),  # the object it is about, such as a payment intent
    text_column("status"),
    Column("payload", JSONB, nullable=False),
    one_of("status", ("applied", "waiting", "ignored")),
    UniqueConstraint("processor", "event_id"),
    Index(None, "processor", "object_ref", "status"),
)
