"""Forecast accuracy is a dbt view: its table goes, and what its step failed to do."""

from alembic import op

revision = "0013"
down_revision = "0011"

TABLE = """
create table ml.forecast_accuracy (
    org_id uuid not null,
    as_of date not null,
    service_id uuid,
    lead_days integer not null,
    days integer not null,
    actual numeric(16, 2) not null,
    forecast numeric(16, 2) not null,
    absolute_error numeric(16, 2) not null,
    naive_absolute_error numeric(16, 2),
    covered_80 integer not null,
    covered_95 integer not null,
    unique nulls not distinct (org_id, service_id, lead_days),
    check (days > 0 and covered_80 <= covered_95 and covered_95 <= days)
);
"""


def upgrade() -> None:
    # The view of an earlier build may still read the table; the next run makes it anew, with what reads it.
    op.execute("drop table ml.forecast_accuracy cascade")
    op.execute("delete from raw.run_failures where step = 'forecast_accuracy'")


def downgrade() -> None:
    op.execute(TABLE)
