"""What the pages read: marts and views of the visitor's organisation; and how the operator opens them as a person."""

from alembic import op

revision = "0028"
down_revision = "0027"

# A page reads with the rights of BI, in the transaction of its visitor: people of the organisation who see everything.
READING = """
create or replace function app.organizations_of_login() returns uuid[]
language sql stable parallel safe security definer set search_path = '' as $$
    select case when session_user = 'hub_api'
        then case when app.sees_all() and app.org_id() is not null then array[app.org_id()] else '{}' end
        else (
            select coalesce(array_agg(access.org_id), '{}') from app.bi_access as access where access.login = session_user
        ) end
$$;
grant hub_reader to hub_api;
"""
# The membership stays: it belongs to the server, which other Hubs may share, and shows nothing without the function.
NOT_READING = """
create or replace function app.organizations_of_login() returns uuid[]
language sql stable parallel safe security definer set search_path = '' as $$
    select coalesce(array_agg(access.org_id), '{}') from app.bi_access as access where access.login = session_user
$$;
"""

SESSIONS = """
alter table app.sessions add column is_operators boolean default false not null;
update app.sessions set is_operators = true where profile_id is null;
alter table app.sessions add constraint ck_sessions_operators check (is_operators or profile_id is not null);

drop function app.session;
create function app.session(p_session_hash bytea, p_at timestamptz)
returns table (org_id uuid, profile_id uuid, role text, opens_dagster boolean, is_operators boolean)
stable language sql security definer set search_path = app, pg_temp as $$
    select p.org_id, p.id, p.role, s.opens_dagster and (s.is_operators or p.role = 'admin'), s.is_operators
    from app.sessions as s
    left join app.profiles as p on p.org_id = s.org_id and p.id = s.profile_id and p.is_active
        and (p.role = 'admin' or not s.is_operators)  -- who is no admin any more is nobody for the operator
    where s.session_hash = p_session_hash and s.ended_at is null and s.ends_at > p_at
        and (s.is_operators or p.id is not null)
$$;

-- The admins as whom the operator's session may open the pages; no row for the session of a person.
create function app.admins_for_operator(p_session_hash bytea, p_at timestamptz)
returns table (org_id uuid, organization_name text, profile_id uuid, full_name text, email text)
stable language sql security definer set search_path = app, pg_temp as $$
    select o.id, o.name, p.id, p.full_name, p.email
    from app.organizations as o join app.profiles as p on p.org_id = o.id and p.role = 'admin' and p.is_active
    where exists (
        select from app.sessions as s
        where s.session_hash = p_session_hash and s.is_operators and s.ended_at is null and s.ends_at > p_at
    )
    order by o.name, p.full_name
$$;

-- Open the pages as this admin, with the operator's session. False: no such session or no such admin.
create function app.act_as(p_session_hash bytea, p_profile_id uuid, p_at timestamptz) returns boolean
language plpgsql security definer set search_path = app, pg_temp as $$
begin
    update app.sessions as s set org_id = p.org_id, profile_id = p.id, updated_at = now()
    from app.profiles as p
    where s.session_hash = p_session_hash and s.is_operators and s.ended_at is null and s.ends_at > p_at
        and p.id = p_profile_id and p.role = 'admin' and p.is_active;
    return found;
end $$;

revoke execute on function app.session, app.admins_for_operator, app.act_as from public;
grant execute on function app.session, app.admins_for_operator, app.act_as to hub_api;
"""
FORMER_SESSIONS = """
drop function app.act_as, app.admins_for_operator, app.session;
update app.sessions set org_id = null, profile_id = null where is_operators;
alter table app.sessions drop column is_operators;
create function app.session(p_session_hash bytea, p_at timestamptz)
returns table (org_id uuid, profile_id uuid, role text, opens_dagster boolean)
stable language sql security definer set search_path = app, pg_temp as $$
    select s.org_id, s.profile_id, p.role, s.opens_dagster and (s.profile_id is null or p.role = 'admin')
    from app.sessions as s left join app.profiles as p on p.org_id = s.org_id and p.id = s.profile_id
    where s.session_hash = p_session_hash and s.ended_at is null and s.ends_at > p_at
        and (s.profile_id is null or p.is_active)
$$;
revoke execute on function app.session from public;
grant execute on function app.session to hub_api;
"""


KINDS = """
alter table app.live_changes drop constraint ck_live_changes_kind;
alter table app.live_changes add constraint ck_live_changes_kind check (kind in ({kinds}));
"""
FORMER = ("booking.created", "booking.changed", "booking.progress", "message.created", "insight.changed", "reload")
ADDED = ("work.changed", "figures.changed")

# What is drawn on a page of a booking beside the booking itself. Of many rows at once (an import) the bookings tell.
WORK = """
create function app.tell_work() returns trigger language plpgsql
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
revoke execute on function app.tell_work from public;
"""
OF_WORK = ("milestones", "tasks", "time_entries", "approvals", "invoices", "payments", "reviews")
TELLS = """
create trigger tell_new after insert on app.{table} referencing new table as new_rows
    for each statement execute function app.tell_work();
create trigger tell_changed after update on app.{table} referencing new table as new_rows
    for each statement execute function app.tell_work();
"""


def upgrade() -> None:
    op.execute(READING)
    op.execute(SESSIONS)
    op.execute(KINDS.format(kinds=", ".join(f"'{kind}'" for kind in (*FORMER, *ADDED))))
    op.execute(WORK)
    for table in OF_WORK:
        op.execute(TELLS.format(table=table))


def downgrade() -> None:
    for table in OF_WORK:
        op.execute(f"drop trigger tell_new on app.{table}; drop trigger tell_changed on app.{table}")
    op.execute("drop function app.tell_work")
    op.execute(f"delete from app.live_changes where kind in {ADDED}")
    op.execute(KINDS.format(kinds=", ".join(f"'{kind}'" for kind in FORMER)))
    op.execute(FORMER_SESSIONS)
    op.execute(NOT_READING)
