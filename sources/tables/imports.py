"""Tables of imports, and the incidents that the sample business contains."""

from typing import Final, Literal, get_args

from sqlalchemy import BigInteger, Column, Date, Index, Integer, LargeBinary, Table, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

from sources.tables.columns import (
    XID8,
    belongs_to,
    check,
    hub_table,
    metadata,
    one_of,
    text_column,
    timestamp_column,
    uuid_column,
)

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

ImportState = Literal["checked", "requested", "running", "done", "failed"]
IMPORT_STATES: Final[tuple[ImportState, ...]] = get_args(ImportState)

# Imports that admins ask for on the pages.
import_jobs = hub_table(
    "import_jobs",
    uuid_column("requested_by"),  # who sent the files; then who asked for the import
    timestamp_column("requested_at"),
    Column("file_names", ARRAY(Text), nullable=False),
    text_column("mapping"),  # its text
    Column("findings", JSONB, nullable=False),  # of the check: sources.importing.checking.FileCheck
    text_column("state", default="checked"),
    Column("attempts", Integer, nullable=False, server_default=text("0")),  # runs that began with it
    timestamp_column("started_at"),
    timestamp_column("finished_at"),
    text_column("step", required=False),  # a sentence
    Column("rows_read", BigInteger, nullable=False, server_default=text("0")),
    Column("report", JSONB),  # sources.importing.report.ImportSummary
    text_column("error", required=False),
    one_of("state", IMPORT_STATES),
    check("(state = 'checked') = (requested_at is null)", "requested_at"),
    Index(None, "state", "requested_at"),
)

# The files of an import, until it has ended.
import_files = hub_table(
    "import_files",
    uuid_column("job_id"),
    text_column("name"),
    Column("content", LargeBinary, nullable=False),
    belongs_to("import_jobs", "job_id"),
    UniqueConstraint("org_id", "job_id", "name"),
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
