"""Tables of changes: deleted rows, for ingestion, and live changes, for clients of the API."""

from typing import Final

from sqlalchemy import (
    Column,
    Index,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID

from sources.tables.columns import (
    XID8,
    Timestamp,
    metadata,
    one_of,
    text_column,
    uuid_column,
)

tombstones = Table(
    "tombstones",
    metadata,
    Column("table_name", Text, primary_key=True),
    Column("row_id", UUID(as_uuid=True), primary_key=True),
    uuid_column("org_id"),
    Column("deleted_at", Timestamp, nullable=False, server_default=text("now()")),
    Column("row_version", XID8(), nullable=False, server_default=text("pg_current_xact_id()")),
    Index(None, "table_name", "row_version"),
)

LIVE_CHANGE_KINDS: Final = (
    "booking.created",
    "booking.changed",
    "booking.progress",
    "message.created",
    "work.changed",  # of milestones, tasks, hours, approvals, invoices, payments and reviews of a booking
    "insight.changed",
    "figures.changed",  # the marts were built again
    "import.changed",  # the state or the progress of an import that an admin asked for
    "reload",  # too many rows changed at once: clients read everything again
)

live_changes = Table(
    "live_changes",
    metadata,
    Column("id", UUID(as_uuid=True), primary_key=True, server_default=text("uuidv7()")),
    uuid_column("org_id"),
    text_column("kind"),
    uuid_column("booking_id", required=False),
    uuid_column("client_id", required=False),  # the people who may see it, besides admins
    uuid_column("provider_id", required=False),
    Column("data", JSONB, nullable=False),
    Column("transaction_id", XID8(), nullable=False, server_default=text("pg_current_xact_id()")),
    # Every transaction before this one had ended when the row was written, so that a reader can resume here.
    Column("horizon", XID8(), nullable=False, server_default=text("pg_snapshot_xmin(pg_current_snapshot())")),
    Column("created_at", Timestamp, nullable=False, server_default=text("now()")),
    one_of("kind", LIVE_CHANGE_KINDS),
    Index(None, "org_id", "transaction_id"),
    Index(None, "created_at", postgresql_using="brin"),
)
