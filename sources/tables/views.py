"""Table of the dashboards that people make for themselves."""

from sqlalchemy import Boolean, Column, Index, text
from sqlalchemy.dialects.postgresql import JSONB

from sources.tables.columns import belongs_to, check, hub_table, text_column, uuid_column

saved_views = hub_table(
    "saved_views",
    uuid_column("profile_id"),  # who made it, and alone changes it
    text_column("name"),
    Column("is_shared", Boolean, nullable=False, server_default=text("false")),  # read by the whole organisation
    Column(
        "tiles", JSONB, nullable=False, server_default=text("'[]'")
    ),  # in their order; sources/operations/saved_views
    check("jsonb_typeof(tiles) = 'array'", "tiles"),
    belongs_to("profiles", "profile_id"),
    Index(None, "org_id", "profile_id"),
)
