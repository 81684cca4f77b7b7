"""Triggers for row versions, tombstones and progress; the schemas raw and ml; the role hub_reader."""

from alembic import op

revision = "0002"
down_revision = "0001"

OPERATIONAL = (
    "organizations profiles services service_packages bookings booking_status_history milestones tasks "
    "time_entries approvals invoices invoice_lines payments messages reviews"
).split()
HUB_OWNED = (
    "import_rejections insight_events insight_run_logs notification_channels notification_deliveries "
    "notification_attempts notifications sample_incidents api_keys idempotency_keys"
).split()

FUNCTIONS = """
create function app.stamp_row() returns trigger language plpgsql as $$
begin
    new.row_version := pg_current_xact_id();
    if tg_op = 'UPDATE' then
        new.updated_at := now();
    end if;
    return new;
end $$;

create function app.touch_row() returns trigger language plpgsql as $$
begin
    new.updated_at := now();
    return new;
end $$;

create function app.leave_tombstones() returns trigger language plpgsql as $$
begin
    insert into app.tombstones (table_name, row_id, org_id)
    select tg_table_name, id, org_id from gone
    on conflict (table_name, row_id) do update
    set deleted_at = excluded.deleted_at, row_version = excluded.row_version;
    return null;
end $$;

-- Progress of the milestones that the changed tasks belong to: weighted by task, cancelled tasks left out.
create function app.roll_up_tasks() returns trigger language plpgsql as $$
begin
    update app.milestones as milestone
    set progress_pct = rolled.progress_pct
    from (
        select task.milestone_id, round(sum(task.progress_pct * task.weight) / sum(task.weight), 2) as progress_pct
        from app.tasks as task
        where task.milestone_id in (select milestone_id from changed) and task.status <> 'cancelled'
        group by task.milestone_id
    ) as rolled
    where milestone.id = rolled.milestone_id and milestone.progress_pct is distinct from rolled.progress_pct;
    return null;
end $$;

-- Progress of the bookings that the changed milestones belong to: weighted by milestone, cancelled ones left out.
create function app.roll_up_milestones() returns trigger language plpgsql as $$
begin
    update app.bookings as booking
    set progress_pct = rolled.progress_pct
    from (
        select milestone.booking_id,
            round(sum(milestone.progress_pct * milestone.weight) / sum(milestone.weight), 2) as progress_pct
        from app.milestones as milestone
        where milestone.booking_id in (select booking_id from changed) and milestone.status <> 'cancelled'
        group by milestone.booking_id
    ) as rolled
    where booking.id = rolled.booking_id and booking.progress_pct is distinct from rolled.progress_pct;
    return null;
end $$;
"""

SCHEMAS = """
create schema raw;
create schema ml;

-- One row an organisation: the moment that the last run speaks of, and its last complete business day.
create table raw.run_clock (
    org_id uuid primary key,
    as_of date not null,
    as_of_at timestamptz not null
);

-- How far each operational table has been read, and from which database.
create table raw.watermarks (
    table_name text primary key,
    source_identity text not null,
    watermark xid8 not null,
    rows_loaded bigint not null,
    loaded_at timestamptz not null
);

create table ml.anomalies (
    org_id uuid not null,
    metric text not null,
    dimension text not null,
    member text not null,
    day date not null,
    as_of date not null,
    value numeric(18, 4) not null,
    expected numeric(18, 4) not null,
    lower numeric(18, 4) not null,
    upper numeric(18, 4) not null,
    score double precision not null,
    is_anomaly boolean not null,
    direction text check (direction in ('up', 'down')),
    severity text check (severity in ('critical', 'high', 'medium', 'low')),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (org_id, metric, dimension, member, day),
    check (is_anomaly = (severity is not null))
);

create table ml.revenue_forecasts (
    org_id uuid not null,
    as_of date not null,
    day date not null,
    service_id uuid,
    forecast numeric(14, 2) not null,
    lower_80 numeric(14, 2) not null,
    upper_80 numeric(14, 2) not null,
    lower_95 numeric(14, 2) not null,
    upper_95 numeric(14, 2) not null,
    on_hand numeric(14, 2),
    model text not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    unique nulls not distinct (org_id, as_of, service_id, day),
    check (lower_95 <= lower_80 and lower_80 <= forecast and forecast <= upper_80 and upper_80 <= upper_95)
);

-- What BI tools are granted to: read-only, the marts and the analytics views (dbt grants them as it builds).
do $$ begin
    if not exists (select from pg_roles where rolname = 'hub_reader') then
        create role hub_reader nologin;
    end if;
end $$;
"""


def rolled_up(table: str, function: str) -> str:
    events = {"insert": "new", "update": "new", "delete": "old"}
    return "".join(
        f"create trigger roll_up_{event} after {event} on app.{table} referencing {side} table as changed "
        f"for each statement execute function app.{function}();\n"
        for event, side in events.items()
    )


def upgrade() -> None:
    op.execute(FUNCTIONS)
    for table in OPERATIONAL:
        op.execute(
            f"create trigger stamp before insert or update on app.{table} for each row execute function app.stamp_row()"
        )
        op.execute(
            f"create trigger leave_tombstones after delete on app.{table} referencing old table as gone "
            "for each statement execute function app.leave_tombstones()"
        )
    for table in HUB_OWNED:
        op.execute(f"create trigger touch before update on app.{table} for each row execute function app.touch_row()")
    op.execute(rolled_up("tasks", "roll_up_tasks"))
    op.execute(rolled_up("milestones", "roll_up_milestones"))
    op.execute(SCHEMAS)


def downgrade() -> None:
    op.execute("drop schema raw, ml cascade")
    op.execute("drop function app.stamp_row, app.touch_row, app.leave_tombstones cascade")
    op.execute("drop function app.roll_up_tasks, app.roll_up_milestones cascade")
