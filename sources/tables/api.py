"""Tables of the API: keys, sessions of people in a browser, and the responses to idempotent requests."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Index,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

from sources.tables.columns import (
    Timestamp,
    belongs_to,
    hub_table,
    metadata,
    text_column,
    timestamp_column,
    uuid_column,
)

api_keys = hub_table(
    "api_keys",
    uuid_column("profile_id"),
    text_column("name"),
    text_column("prefix"),
    Column("key_hash", LargeBinary, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    timestamp_column("last_used_at"),
    timestamp_column("expires_at"),
    timestamp_column("revoked_at"),
    belongs_to("profiles", "profile_id"),
    UniqueConstraint("key_hash"),
)

# What verifies the proofs of the API (sources/entry.py); no role but the owner reads it.
entry_keys = Table(
    "entry_keys",
    metadata,
    Column("is_only", Boolean, primary_key=True, server_default=text("true")),
    Column("inner_key", LargeBinary, nullable=False),
    Column("outer_key", LargeBinary, nullable=False),
    CheckConstraint("is_only", name="is_only"),
)

# A one-time link, and the session that it starts. Without a person: the operator of the installation, who has no rights
# in the API. Links and sessions are stored as hashes.
sessions = Table(
    "sessions",
    metadata,
    Column("id", UUID(as_uuid=True), primary_key=True, server_default=text("uuidv7()")),
    uuid_column("org_id", required=False),
    uuid_column("profile_id", required=False),
    Column("link_hash", LargeBinary, nullable=False),
    timestamp_column("link_ends_at", required=True),
    Column("opens_dagster", Boolean, nullable=False),
    Column("is_operators", Boolean, nullable=False, server_default=text("false")),  # who starts the Hub
    Column("session_hash", LargeBinary),
    timestamp_column("started_at"),
    timestamp_column("ends_at"),
    timestamp_column("ended_at"),
    Column("created_at", Timestamp, nullable=False, server_default=text("now()")),
    Column("updated_at", Timestamp, nullable=False, server_default=text("now()")),
    belongs_to("profiles", "profile_id"),
    UniqueConstraint("link_hash"),
    UniqueConstraint("session_hash"),
    CheckConstraint("(org_id is null) = (profile_id is null)", "person"),
    CheckConstraint("(started_at is null) = (session_hash is null)", "started"),
    CheckConstraint("is_operators or profile_id is not null", "operators"),
    Index("ix_sessions_profile_id", "org_id", "profile_id"),
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
