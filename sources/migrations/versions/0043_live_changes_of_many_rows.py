"""Pages are told of many changed rows and of deleted ones, and of sessions that end."""

from alembic import op

revision = "0043"
down_revision = "0042"

OF_WORK = ("milestones", "tasks", "time_entries", "approvals", "invoices", "payments", "reviews")
TELL = """
create or replace function app.tell_work() returns trigger language plpgsql
    security definer set search_path = app, pg_temp as $$
begin
    if (select count(*) from (select from changed_rows limit 101) as first_rows) > 100 then
        insert into app.live_changes (org_id, kind, data) select distinct org_id, 'reload', '{}'::jsonb from changed_rows;
    else
        insert into app.live_changes (org_id, kind, booking_id, client_id, provider_id, data)
        select distinct bookings.org_id, 'work.changed', bookings.id, bookings.client_id, bookings.provider_id,
            jsonb_build_object('booking_id', bookings.id, 'of', tg_table_name)
        from changed_rows join app.bookings as bookings on bookings.id = changed_rows.booking_id;
    end if;
    return null;
end $$;
"""
TELLS = """
drop trigger tell_new on app.{table};
drop trigger tell_changed on app.{table};
create trigger tell_new after insert on app.{table} referencing new table as changed_rows
    for each statement execute function app.tell_work();
create trigger tell_changed after update on app.{table} referencing new table as changed_rows
    for each statement execute function app.tell_work();
create trigger tell_gone after delete on app.{table} referencing old table as changed_rows
    for each statement execute function app.tell_work();
"""
FORMER_TELL = """
create or replace function app.tell_work() returns trigger language plpgsql
    security definer set search_path = app, pg_temp as $$
begin
    if (select count(*) from (select from new_rows limit 101) as first_rows) <= 100 then
        insert into app.live_changes (org_id, kind, booking_id, client_id, provider_id, data)
        select distinct bookings.org_id, 'work.changed', bookings.id, bookings.client_id, bookings.provider_id,
            jsonb_build_object('booking_id', bookings.id, 'of', tg_table_name)
        from new_rows join app.bookings as bookings on bookings.id = new_rows.booking_id;
    end if;
    return null;
end $$;
"""
FORMER_TELLS = """
drop trigger tell_gone on app.{table};
drop trigger tell_new on app.{table};
drop trigger tell_changed on app.{table};
create trigger tell_new after insert on app.{table} referencing new table as new_rows
    for each statement execute function app.tell_work();
create trigger tell_changed after update on app.{table} referencing new table as new_rows
    for each statement execute function app.tell_work();
"""


def upgrade() -> None:
    op.execute(TELL)
    for table in OF_WORK:
        op.execute(TELLS.format(table=table))
    op.execute(
        "create trigger announce_access after update of ended_at on app.sessions "
        "for each statement execute function app.announce_access()"
    )


def downgrade() -> None:
    op.execute("drop trigger announce_access on app.sessions")
    op.execute(FORMER_TELL)
    for table in OF_WORK:
        op.execute(FORMER_TELLS.format(table=table))
