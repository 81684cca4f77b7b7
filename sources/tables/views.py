"""Table of the dashboards that people make for themselves."""

from sqlalchemy import Boolean, Column, Index, text
from sqlalchemy.dialects.postgresql import JSONB

from sources.row_values import SENT_EVERY
from sources.tables.columns import belongs_to, check, hub_table, one_of, text_column, uuid_column

saved_views = hub_table(
    "saved_views",
    uuid_column("profile_id"),  # who made it, and alone changes it
    text_column("name"),
    Column("is_shared", Boolean, nullable=False, server_default=text("false")),  # read by the whole organisation
    Column(
        "tiles", JSONB, nullable=False, server_default=text("'[]'")
    ),  # in their order; sources/operations/saved_views
    uuid_column("sent_to", required=False),  # a channel; null: the dashboard is not sent
    text_column("sent_every", default="week"),
    check("jsonb_typeof(tiles) = 'array'", "tiles"),
    one_of("sent_every", SENT_EVERY),
    check("sent_to is null or is_shared", "sent_to", "is_shared"),
    belongs_to("profiles", "profile_id"),
    belongs_to("notification_channels", "sent_to", cascade=False),
    Index(None, "org_id", "profile_id"),
)
