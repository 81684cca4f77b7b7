"""For each organisation: first and last day with activity, the end of its data, run failures, the day of each model."""

from alembic import op

revision = "0008"
down_revision = "0007"

TABLES = """
-- First and last business day up to as_of with recorded activity; null where there is none yet.
alter table raw.run_clock
    add column first_day date,
    add column last_day date,
    add column has_ended boolean not null default false;

-- What the last run could not do for one organisation, while it went on for the others.
create table raw.run_failures (
    org_id uuid not null,
    step text not null,
    as_of date not null,
    message text not null,
    primary key (org_id, step)
);

-- The day that a model last spoke of, also where it had nothing to say. Forecasts tell it for the rows that there are.
alter table ml.fingerprints add column as_of date;
update ml.fingerprints as known
set as_of = (select max(said.as_of) from ml.revenue_forecasts as said where said.org_id = known.org_id);
"""


def upgrade() -> None:
    op.execute(TABLES)


def downgrade() -> None:
    op.execute("alter table ml.fingerprints drop column as_of")
    op.execute("drop table raw.run_failures")
    op.execute("alter table raw.run_clock drop column first_day, drop column last_day, drop column has_ended")
