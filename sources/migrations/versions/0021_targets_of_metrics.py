"""Targets of metrics."""

from alembic import op

from sources.migrations import helpers

revision = "0021"
down_revision = "0020"

TARGETS = """
create table app.metric_targets (
    id uuid not null default uuidv7(),
    org_id uuid not null,
    metric text not null,
    dimension text not null default 'total',
    member text not null default 'all',
    grain text not null,
    starts_on date not null,
    target numeric(18, 4),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    row_version xid8 not null default pg_current_xact_id(),
    constraint pk_metric_targets primary key (id),
    constraint uq_metric_targets_org_id_id unique (org_id, id),
    constraint uq_metric_targets_series unique (org_id, metric, dimension, member, grain, starts_on),
    constraint fk_metric_targets_org_id foreign key (org_id) references app.organizations (id) on delete cascade,
    constraint ck_metric_targets_grain check (grain in ('day', 'week', 'month', 'quarter', 'year'))
);
create index ix_metric_targets_row_version on app.metric_targets (row_version);
"""


def upgrade() -> None:
    op.execute(TARGETS)
    helpers.make_operational("metric_targets", visible=helpers.ADMINS, rights="select, insert, update, delete")


def downgrade() -> None:
    op.execute("drop table app.metric_targets")
