"""Live events: each change of a booking, a message or an insight is a row of app.events and a notification."""

from alembic import op

revision = "0006"
down_revision = "0005"

# More changed rows than this in one statement are one event, `reload`: an import is no news item by item.
MANY = 200

EVENTS = """
create table app.events (
    id uuid primary key default uuidv7(),
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
create index ix_events_created_at on app.events (created_at);
alter table app.events enable row level security;
grant select on app.events to hub_api;
create policy caller on app.events to hub_api using (
    org_id = (select app.org_id()) and (
        (select app.sees_all()) or client_id = (select app.person()) or provider_id = (select app.person())
        or kind = 'reload'
    )
);

create function app.announce() returns trigger language plpgsql
    security definer set search_path = app, pg_temp as $$
begin
    perform pg_notify('hub_events', to_jsonb(new)::text);
    return null;
end $$;
create trigger announce after insert on app.events for each row execute function app.announce();

create function app.tell_new_bookings() returns trigger language plpgsql
    security definer set search_path = app, pg_temp as $$
begin
    if (select count(*) from (select from new_rows limit {many} + 1) as first_rows) > {many} then
        insert into app.events (org_id, kind, data) select distinct org_id, 'reload', '{{}}'::jsonb from new_rows;
    else
        insert into app.events (org_id, kind, booking_id, client_id, provider_id, data)
        select org_id, 'booking.created', id, client_id, provider_id, jsonb_build_object(
            'booking_number', booking_number, 'status', status, 'version', row_version::text
        ) from new_rows;
    end if;
    return null;
end $$;

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
                'booking_number', n.booking_number, 'status', n.status, 'progress_pct', n.progress_pct::text,
                'version', n.row_version::text
            )
        from new_rows as n join old_rows as o on o.id = n.id;
    end if;
    return null;
end $$;

create function app.tell_new_messages() returns trigger language plpgsql
    security definer set search_path = app, pg_temp as $$
begin
    if (select count(*) from (select from new_rows limit {many} + 1) as first_rows) <= {many} then
        insert into app.events (org_id, kind, booking_id, client_id, provider_id, data)
        select m.org_id, 'message.created', b.id, b.client_id, b.provider_id,
            jsonb_build_object('message_id', m.id, 'sender_id', m.sender_id)
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
create trigger tell_new after insert on app.messages referencing new table as new_rows
    for each statement execute function app.tell_new_messages();
create trigger tell_opened after insert on app.insight_events for each row execute function app.tell_insights();
create trigger tell_changed after update on app.insight_events for each row
    when (old.status is distinct from new.status or old.severity is distinct from new.severity)
    execute function app.tell_insights();
"""


def upgrade() -> None:
    op.execute(EVENTS.format(many=MANY))


def downgrade() -> None:
    op.execute(
        """
        drop trigger tell_new on app.bookings;
        drop trigger tell_changed on app.bookings;
        drop trigger tell_new on app.messages;
        drop trigger tell_opened on app.insight_events;
        drop trigger tell_changed on app.insight_events;
        drop table app.events;
        drop function app.announce, app.tell_new_bookings, app.tell_changed_bookings, app.tell_new_messages,
            app.tell_insights;
        """
    )
