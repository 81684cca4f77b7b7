"""Patterns of anomalies, the accuracy of forecasts, and the workload of providers on coming days."""

from alembic import op

revision = "0007"
down_revision = "0006"

TABLES = """
alter table ml.anomalies add column pattern text
    constraint anomalies_pattern_check
    check (pattern in ('spike', 'dropout', 'level_shift', 'trend_break', 'missing'));

-- How far forecasts were from what came, by how many days ahead they were made; service_id null: all of it.
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

-- What each model's output was made from: where that is the same, it is not made again.
create table ml.fingerprints (
    org_id uuid not null,
    model text not null,
    fingerprint text not null,
    primary key (org_id, model)
);

create table ml.provider_workload (
    org_id uuid not null,
    as_of date not null,
    provider_id uuid not null,
    day date not null,
    booked_hours numeric(10, 2) not null,
    expected_hours numeric(10, 2) not null,
    available_hours numeric(10, 2) not null,
    free_hours numeric(10, 2) not null,
    overload_hours numeric(10, 2) not null,
    load numeric(5, 2) not null,
    will_overload boolean not null,
    primary key (org_id, provider_id, day)
);
"""


def upgrade() -> None:
    op.execute(TABLES)


def downgrade() -> None:
    op.execute("drop table ml.provider_workload")
    op.execute("drop table ml.fingerprints")
    op.execute("drop table ml.forecast_accuracy")
    op.execute("alter table ml.anomalies drop column pattern")
