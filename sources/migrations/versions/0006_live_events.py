"""Live events: each change of a booking, a message or an insight is a row of app.events, which the API reads.

NOTIFY only says that there are new rows, at most five times per second: a transaction that notifies holds a lock of the
whole server while it flushes its commit to disk. With a notification per write there were 200 commits per second instead
of 1,100.
"""

from alembic import op

revision = "0006"
down_revision = "0005"

# A statement that changes more rows than this writes one event, `reload`: clients of an import read everything again.
MANY = 200

EVENTS = """
create table app.events (
    id uuid constraint pk_events primary key default uuidv7(),
    org_id uuid not null,
    kind text not null,
    booking_id uuid,
    client_id uuid,
    provider_id uuid,
    data jsonb not null,
    transaction_id xid8 not null default pg_current_xact_id(),
    horizon xid8 not null default pg_snapshot_xmin(pg_current_snapshot()),
    created_at timestamptz not null default now(),
    constraint ck_events_kind check (kind in (
        'booking.created', 'booking.changed', 'booking.progress', 'message.created', 'insight.changed', 'reload'
    ))
);
create index ix_events_org_id_transaction_id on app.events (org_id, transaction_id);
create index ix_events_created_at on app.events using brin (created_at);  -- by which old ones are deleted
alter table app.events enable row level security;
grant select on app.events to hub_api;
create policy caller on app.events to hub_api using (
    org_id = (select app.org_id()) and (
        (select app.sees_all()) or client_id = (select app.person()) or provider_id = (select app.person())
        or kind = 'reload'
    )
);

create sequence app.event_bell;  -- the last fifth of a second in which it was rung; no transaction holds it

create function app.ring() returns trigger language plpgsql
    security definer set search_path = app, pg_temp as $$
declare
    slot bigint := extract(epoch from clock_timestamp()) * 5;
begin
    if slot > (select last_value from app.event_bell) then
        perform setval('app.event_bell', slot), pg_notify('hub_events', '');
    end if;
    return null;
end $$;
create trigger ring after insert on app.events for each statement execute function app.ring();

-- What was committed since `p_snapshot` was taken, in every organisation, each event exactly once; and the snapshot to
-- ask with the next time. Always at least one row.
create function app.events_since(p_snapshot text, p_limit integer) returns table (
    snapshot text, id uuid, org_id uuid, kind text, booking_id uuid, client_id uuid, provider_id uuid, data text
) language plpgsql stable security definer
    set search_path = app, pg_temp set plan_cache_mode = force_custom_plan set enable_seqscan = off
    set max_parallel_workers_per_gather = 0 as $$
#variable_conflict use_column
begin
    return query
    select pg_current_snapshot()::text, e.id, e.org_id, e.kind, e.booking_id, e.client_id, e.provider_id, e.data::text
    from (values (1)) as always left join lateral (
        select * from (
            select * from app.events where transaction_id >= pg_snapshot_xmax(p_snapshot::pg_snapshot)
            union all
            select * from app.events
            where transaction_id = any (array(select pg_snapshot_xip(p_snapshot::pg_snapshot)))
        ) as both_kinds order by id limit p_limit
    ) as e on true;
end $$;

-- Where a reader resumes: the horizon of the event that they had last (null: it is not known any more), and the newest
-- event of the organisation, of which a reader who has seen everything learns no more than the id.
create function app.resume_point(p_event_id uuid, out horizon text, out latest uuid) language sql stable
    security definer set search_path = app, pg_temp as $$
    select (select e.horizon::text from app.events as e where e.id = p_event_id and e.org_id = app.org_id()),
        (select e.id from app.events as e where e.org_id = app.org_id() order by e.transaction_id desc limit 1)
$$;
revoke execute on function app.events_since, app.resume_point from public;
grant execute on function app.events_since, app.resume_point to hub_api;

create function app.tell_new_bookings() returns trigger language plpgsql
    security definer set search_path = app, pg_temp as $$
begin
    if (select count(*) from (select from new_rows limit {many} + 1) as first_rows) > {many} then
        insert into app.events (org_id, kind, data) select distinct org_id, 'reload', '{{}}'::jsonb from new_rows;
    else
        insert into app.events (org_id, kind, booking_id, client_id, provider_id, data)
        select org_id, 'booking.created', id, client_id, provider_id, jsonb_build_object(
            'booking_id', id, 'booking_number', booking_number, 'status', status, 'version', row_version::text
        ) from new_rows;
    end if;
    return null;
end $$;

-- Whoever loses a booking is told too, and then finds that it is not there for them any more.
create function app.tell_changed_bookings() returns trigger language plpgsql
    security definer set search_path = app, pg_temp as $$
begin
    if (select count(*) from (select from new_rows limit {many} + 1) as first_rows) > {many} then
        insert into app.events (org_id, kind, data) select distinct org_id, 'reload', '{{}}'::jsonb from new_rows;
    else
        insert into app.events (org_id, kind, booking_id, client_id, provider_id, data)
        select n.org_id,
            case when (n.status, n.scheduled_start, n.total_amount, n.title, n.provider_id)
                is not distinct from (o.status, o.scheduled_start, o.total_amount, o.title, o.provider_id)
                and n.progress_pct <> o.progress_pct
            then 'booking.progress' else 'booking.changed' end,
            n.id, n.client_id, n.provider_id,
            jsonb_build_object(
                'booking_id', n.id, 'booking_number', n.booking_number, 'status', n.status,
                'progress_pct', n.progress_pct::text, 'version', n.row_version::text
            )
        from new_rows as n join old_rows as o on o.id = n.id;
        insert into app.events (org_id, kind, booking_id, client_id, provider_id, data)
        select n.org_id, 'booking.changed', n.id, nullif(o.client_id, n.client_id), nullif(o.provider_id, n.provider_id),
            jsonb_build_object('booking_id', n.id, 'booking_number', o.booking_number, 'reassigned', true)
        from new_rows as n join old_rows as o on o.id = n.id
        where o.client_id <> n.client_id or (o.provider_id is not null and o.provider_id is distinct from n.provider_id);
    end if;
    return null;
end $$;

create function app.tell_gone_bookings() returns trigger language plpgsql
    security definer set search_path = app, pg_temp as $$
begin
    insert into app.events (org_id, kind, data) select distinct org_id, 'reload', '{{}}'::jsonb from old_rows;
    return null;
end $$;

create function app.tell_new_messages() returns trigger language plpgsql
    security definer set search_path = app, pg_temp as $$
begin
    if (select count(*) from (select from new_rows limit {many} + 1) as first_rows) > {many} then
        insert into app.events (org_id, kind, data) select distinct org_id, 'reload', '{{}}'::jsonb from new_rows;
    else
        insert into app.events (org_id, kind, booking_id, client_id, provider_id, data)
        select m.org_id, 'message.created', b.id, b.client_id, b.provider_id,
            jsonb_build_object('booking_id', b.id, 'message_id', m.id, 'sender_id', m.sender_id)
        from new_rows as m join app.bookings as b on b.id = m.booking_id;
    end if;
    return null;
end $$;

create function app.tell_insights() returns trigger language plpgsql
    security definer set search_path = app, pg_temp as $$
begin
    insert into app.events (org_id, kind, data)
    values (new.org_id, 'insight.changed', jsonb_build_object(
        'insight_id', new.id, 'status', new.status, 'severity', new.severity, 'kind', new.kind
    ));
    return null;
end $$;

create trigger tell_new after insert on app.bookings referencing new table as new_rows
    for each statement execute function app.tell_new_bookings();
create trigger tell_changed after update on app.bookings referencing new table as new_rows old table as old_rows
    for each statement execute function app.tell_changed_bookings();
create trigger tell_gone after delete on app.bookings referencing old table as old_rows
    for each statement execute function app.tell_gone_bookings();
create trigger tell_new after insert on app.messages referencing new table as new_rows
    for each statement execute function app.tell_new_messages();
create trigger tell_opened after insert on app.insight_events for each row execute function app.tell_insights();
create trigger tell_changed after update on app.insight_events for each row
    when (old.status is distinct from new.status or old.severity is distinct from new.severity)
    execute function app.tell_insights();
"""

# The summary for the caller of app.set_caller(), counted without row security, which would read every row: 0.3 s for a
# million bookings instead of 2 s. The bookings of a person are found by index.
FIGURES = """
create index ix_bookings_totals on app.bookings (org_id, status, currency) include (amount_minor);

create function app.booking_figures() returns table (status text, currency text, bookings bigint, amount_minor bigint)
language plpgsql stable security definer
    set search_path = app, pg_temp set plan_cache_mode = force_custom_plan as $$
#variable_conflict use_column
declare
    org uuid := app.org_id();
    me uuid := app.person();
begin
    if app.sees_all() then
        return query select b.status, b.currency, count(*), sum(b.amount_minor)::bigint
            from app.bookings as b where b.org_id = org group by b.status, b.currency;
    else
        return query select b.status, b.currency, count(*), sum(b.amount_minor)::bigint
            from (
                select * from app.bookings where org_id = org and client_id = me
                union all
                select * from app.bookings where org_id = org and provider_id = me and client_id <> me
            ) as b group by b.status, b.currency;
    end if;
end $$;

-- Of invoices that may still be paid, which are few.
create function app.outstanding() returns table (currency text, outstanding numeric)
language plpgsql stable security definer
    set search_path = app, pg_temp set plan_cache_mode = force_custom_plan as $$
#variable_conflict use_column
declare
    org uuid := app.org_id();
    me uuid := app.person();
    all_of_it boolean := app.sees_all();
begin
    return query
    select i.currency, sum(greatest(i.total_amount - p.paid, 0))
    from app.invoices as i
    join app.bookings as b on b.org_id = i.org_id and b.id = i.booking_id,
    lateral (
        select coalesce(sum(case it.kind when 'refund' then -it.amount else it.amount end), 0) as paid
        from app.payments as it
        where it.org_id = i.org_id and it.invoice_id = i.id and it.status = 'succeeded'
    ) as p
    where i.org_id = org and i.status in ('issued', 'part_paid', 'overdue')
        and (all_of_it or b.client_id = me or b.provider_id = me)
    group by i.currency;
end $$;
revoke execute on function app.booking_figures, app.outstanding from public;
grant execute on function app.booking_figures, app.outstanding to hub_api;
"""

# Without statements that set a password, because their text contains it.
SLOW_QUERIES = """
do $$ begin
    if not exists (select from pg_available_extensions where name = 'pg_stat_statements') then
        return;
    end if;
    create extension if not exists pg_stat_statements with schema public;
    execute $view$
        create view app.slow_queries as
        select pg_get_userbyid(s.userid) as role, s.query, s.calls, round(s.mean_exec_time::numeric, 2) as mean_ms,
            round(s.max_exec_time::numeric, 2) as max_ms, round(s.total_exec_time::numeric, 2) as total_ms, s.rows
        from public.pg_stat_statements as s
        where s.dbid = (select oid from pg_database where datname = current_database())
            and s.query !~* '\\mpassword\\M'
        order by s.total_exec_time desc
    $view$;
    grant usage on schema app to pg_monitor;
    grant select on app.slow_queries to pg_monitor;
exception when insufficient_privilege then
    raise notice 'app.slow_queries is left out: only a superuser may create the extension pg_stat_statements';
end $$;
"""


def upgrade() -> None:
    op.execute(EVENTS.format(many=MANY))
    op.execute(FIGURES)
    op.execute(SLOW_QUERIES)


def downgrade() -> None:
    op.execute(
        """
        drop view if exists app.slow_queries;
        revoke usage on schema app from pg_monitor;
        drop function app.booking_figures, app.outstanding;
        drop index app.ix_bookings_totals;
        drop trigger tell_new on app.bookings;
        drop trigger tell_changed on app.bookings;
        drop trigger tell_gone on app.bookings;
        drop trigger tell_new on app.messages;
        drop trigger tell_opened on app.insight_events;
        drop trigger tell_changed on app.insight_events;
        drop table app.events;
        drop sequence app.event_bell;
        drop function app.ring, app.events_since, app.resume_point, app.tell_new_bookings, app.tell_changed_bookings,
            app.tell_gone_bookings, app.tell_new_messages, app.tell_insights;
        """
    )
