"""Tables of imports, and the incidents that the sample business contains."""

from sqlalchemy import BigInteger, Column, Date, Table, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from sources.tables.columns import XID8, check, hub_table, metadata, one_of, text_column, uuid_column

import_rejections = hub_table(
    "import_rejections",
    text_column("mapping"),
    text_column("kind", required=False),  # of the rejected record
    text_column("external_ref", required=False),
    text_column("file_name"),
    Column("row_number", BigInteger, nullable=False),
    text_column("row_key"),  # a hash of the row, so that a repeated import adds nothing
    text_column("field"),
    text_column("value", required=False),
    text_column("message"),
    UniqueConstraint("org_id", "mapping", "row_key", "field"),
)

# The last imported state of each record, which distinguishes changes in the file from changes in the Hub.
import_records = Table(
    "import_records",
    metadata,
    Column("org_id", UUID(as_uuid=True), primary_key=True),
    Column("mapping", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("external_ref", Text, primary_key=True),
    uuid_column("row_id"),
    Column("digest", BigInteger, nullable=False),  # a hash of the record in the file
    Column("row_version", XID8(), nullable=False),  # of the imported row
)

sample_incidents = hub_table(
    "sample_incidents",
    text_column("kind"),
    text_column("description"),
    Column("metrics", ARRAY(Text), nullable=False),  # the metrics of kpi_daily that it changes
    text_column("dimension", default="total"),
    text_column("member", default="all"),
    text_column("direction"),
    Column("starts_on", Date, nullable=False),
    Column("ends_on", Date, nullable=False),
    one_of("direction", ("up", "down")),
    check("ends_on >= starts_on", "starts_on", "ends_on", name="days"),
)
