"""Tables of the API: keys, and the responses to idempotent requests."""

from sqlalchemy import Column, LargeBinary, SmallInteger, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from sources.tables.columns import belongs_to, hub_table, text_column, timestamp_column, uuid_column

api_keys = hub_table(
    "api_keys",
    uuid_column("profile_id"),
    text_column("name"),
    text_column("prefix"),
    Column("key_hash", LargeBinary, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    timestamp_column("last_used_at"),
    timestamp_column("revoked_at"),
    belongs_to("profiles", "profile_id"),
    UniqueConstraint("key_hash"),
)

idempotency_keys = hub_table(
    "idempotency_keys",
    uuid_column("profile_id"),
    text_column("key"),
    Column("request_hash", LargeBinary, nullable=False),
    Column("response_status", SmallInteger),
    Column("response_body", JSONB),
    belongs_to("profiles", "profile_id"),
    UniqueConstraint("org_id", "profile_id", "key"),
)
