"""Table of who did what; triggers write it, and nobody changes it."""

from sqlalchemy import Column, Index, Table, text
from sqlalchemy.dialects.postgresql import JSONB, UUID

from sources.row_values import AUDIT_ACTIONS
from sources.tables.columns import Timestamp, metadata, one_of, text_column, uuid_column

audit_log = Table(
    "audit_log",
    metadata,
    Column("id", UUID(as_uuid=True), primary_key=True, server_default=text("uuidv7()")),
    uuid_column("org_id"),
    Column("at", Timestamp, nullable=False, server_default=text("now()")),
    uuid_column("actor_id", required=False),  # null: the Hub itself
    text_column("actor_role"),
    uuid_column("key_id", required=False),  # the API key that the actor used
    text_column("action"),
    text_column("table_name", required=False),
    uuid_column("row_id", required=False),
    Column("before", JSONB),  # the changed columns of an update, the whole row of a delete
    Column("after", JSONB),
    one_of("action", AUDIT_ACTIONS),
    Index(None, "org_id", "id"),
    Index(None, "org_id", "row_id", "id"),
)
