"""Tables of messages and reviews."""

from sqlalchemy import Column, Index, SmallInteger, UniqueConstraint

from sources.tables.columns import belongs_to, check, operational_table, text_column, timestamp_column, uuid_column

messages = operational_table(
    "messages",
    uuid_column("booking_id"),
    uuid_column("sender_id"),
    text_column("body"),
    timestamp_column("sent_at", required=True),
    timestamp_column("read_at"),
    belongs_to("bookings", "booking_id"),
    belongs_to("profiles", "sender_id", cascade=False),
    Index(None, "org_id", "booking_id", "sent_at"),
)

reviews = operational_table(
    "reviews",
    uuid_column("booking_id"),
    uuid_column("client_id"),
    uuid_column("provider_id", required=False),
    Column("rating", SmallInteger, nullable=False),
    text_column("comment", required=False),
    timestamp_column("reviewed_at", required=True),
    text_column("external_ref", required=False),
    UniqueConstraint("org_id", "external_ref"),
    check("rating between 1 and 5", "rating"),
    belongs_to("bookings", "booking_id"),
    belongs_to("profiles", "client_id", cascade=False),
    belongs_to("profiles", "provider_id", cascade=False),
    UniqueConstraint("org_id", "booking_id"),
)
