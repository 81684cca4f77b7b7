"""The role analyst, who reads everything of the organisation and changes nothing; people by the API."""

from alembic import op

revision = "0037"
down_revision = "0036"

ROLE_CHECK = "alter table app.profiles drop constraint ck_profiles_role, add constraint ck_profiles_role check (role in ({roles}))"
ROLES = ("client", "provider", "admin")

SEEING = """
create or replace function app.sees_all() returns boolean stable language sql
    return coalesce(current_setting('hub.role', true), '') in ('admin', 'analyst', 'system');
-- Those who change what is of the organisation, and read what gives access to it.
create function app.administers() returns boolean stable language sql
    return coalesce(current_setting('hub.role', true), '') in ('admin', 'system');
revoke execute on function app.administers from public;
grant execute on function app.administers to hub_api;

alter policy caller on app.api_keys using (
    org_id = (select app.org_id()) and ((select app.administers()) or profile_id = (select app.person()))
);
alter policy caller on app.audit_log using (org_id = (select app.org_id()) and (select app.administers()));
alter policy caller on app.notification_channels using (org_id = (select app.org_id()) and (select app.administers()));
alter policy caller on app.notification_deliveries using (org_id = (select app.org_id()) and (select app.administers()));
alter policy caller on app.processor_events using (org_id = (select app.org_id()) and (select app.administers()));

do $$
declare
    policy record;
begin
    for policy in select polname, polrelid::regclass as of_table, polwithcheck is not null as is_insert
        from pg_policy where polname ~ '^admins_' loop
        execute format(
            'alter policy %I on %s %s ((select app.administers()))', policy.polname, policy.of_table,
            case when policy.is_insert then 'with check' else 'using' end
        );
    end loop;
end $$;
"""
FORMER_SEEING = """
do $$
declare
    policy record;
begin
    for policy in select polname, polrelid::regclass as of_table, polwithcheck is not null as is_insert
        from pg_policy where polname ~ '^admins_' loop
        execute format(
            'alter policy %I on %s %s ((select app.sees_all()))', policy.polname, policy.of_table,
            case when policy.is_insert then 'with check' else 'using' end
        );
    end loop;
end $$;
alter policy caller on app.api_keys using (
    org_id = (select app.org_id()) and ((select app.sees_all()) or profile_id = (select app.person()))
);
alter policy caller on app.audit_log using (org_id = (select app.org_id()) and (select app.sees_all()));
alter policy caller on app.notification_channels using (org_id = (select app.org_id()) and (select app.sees_all()));
alter policy caller on app.notification_deliveries using (org_id = (select app.org_id()) and (select app.sees_all()));
alter policy caller on app.processor_events using (org_id = (select app.org_id()) and (select app.sees_all()));
drop function app.administers;
create or replace function app.sees_all() returns boolean stable language sql
    return coalesce(current_setting('hub.role', true), '') in ('admin', 'system');
"""

# Policies would hide the rows from a change, which then seems to succeed: a trigger refuses it.
READING = """
create function app.refuse_analyst() returns trigger language plpgsql set search_path = app, pg_temp as $$
begin
    raise exception using errcode = 'insufficient_privilege', constraint = 'analysts_read', table = tg_table_name,
        message = 'An analyst reads, and changes nothing of the organisation.';
end $$;
revoke execute on function app.refuse_analyst from public;
"""
READ_BY_ANALYSTS = (
    "api_keys", "approvals", "booking_add_ons", "booking_extras", "booking_status_history", "bookings",
    "calendar_events", "insight_events", "insight_feedback", "insight_run_logs", "invoice_lines", "invoices",
    "messages", "metric_targets", "milestones", "notification_channels", "notification_deliveries", "organizations",
    "payments", "price_rules", "processor_events", "profiles", "provider_absences", "reviews", "service_add_ons",
    "service_packages", "services", "tasks", "time_entries",
)  # fmt: skip
REFUSES = """
create trigger analysts_read before insert or update or delete on app.{table}
    for each statement when (current_setting('hub.role', true) = 'analyst') execute function app.refuse_analyst();
"""

PEOPLE = """
grant insert (org_id, role, full_name, email, client_group, created_at, updated_at),
    update (role, full_name, email, client_group, is_active, updated_at) on app.profiles to hub_api;
create policy admins_insert on app.profiles as restrictive for insert to hub_api with check ((select app.administers()));

-- Whose access ends has no session, unused link or key that a later activation would open again. A link that was sent
-- to a former address opens nothing.
create function app.end_access() returns trigger language plpgsql security definer set search_path = app, pg_temp as $$
begin
    update app.sessions set link_ends_at = now(), updated_at = now()
    where org_id = new.org_id and profile_id = new.id and started_at is null and link_ends_at > now();
    if not new.is_active then
        update app.sessions set ended_at = now(), updated_at = now()
        where org_id = new.org_id and profile_id = new.id and started_at is not null and ended_at is null;
        update app.api_keys set revoked_at = now()
        where org_id = new.org_id and profile_id = new.id and revoked_at is null;
    end if;
    return null;
end $$;
revoke execute on function app.end_access from public;
create trigger end_access after update of is_active, email on app.profiles
    for each row when (old.is_active and not new.is_active or old.email is distinct from new.email)
    execute function app.end_access();

-- Let an active person of the caller's organisation sign in once. False: the caller is no admin, or there is none.
create function app.keep_invitation(p_profile_id uuid, p_link_hash bytea, p_link_ends_at timestamptz) returns boolean
language plpgsql security definer set search_path = app, pg_temp as $$
begin
    insert into app.sessions (org_id, profile_id, link_hash, link_ends_at, opens_dagster)
    select p.org_id, p.id, p_link_hash, p_link_ends_at, false from app.profiles as p
    where app.administers() and p.org_id = app.org_id() and p.id = p_profile_id and p.is_active;
    return found;
end $$;

create function app.running_sessions(p_profile_id uuid) returns integer
stable language sql security definer set search_path = app, pg_temp as $$
    select count(*)::integer from app.sessions as s
    where app.administers() and s.org_id = app.org_id() and s.profile_id = p_profile_id
        and s.started_at is not null and s.ended_at is null and s.ends_at > now()
$$;
revoke execute on function app.keep_invitation, app.running_sessions from public;
grant execute on function app.keep_invitation, app.running_sessions to hub_api;
"""


def upgrade() -> None:
    _check_roles((*ROLES, "analyst"))
    op.execute(SEEING)
    op.execute(READING)
    for table in READ_BY_ANALYSTS:
        op.execute(REFUSES.format(table=table))
    op.execute(PEOPLE)


def downgrade() -> None:
    op.execute(
        "drop function app.keep_invitation, app.running_sessions; drop trigger end_access on app.profiles; drop function app.end_access"
    )
    op.execute("drop policy admins_insert on app.profiles")
    op.execute(
        "revoke insert (org_id, role, full_name, email, client_group, created_at, updated_at), "
        "update (role, full_name, email, client_group, is_active) on app.profiles from hub_api"
    )
    for table in READ_BY_ANALYSTS:
        op.execute(f"drop trigger analysts_read on app.{table}")
    op.execute("drop function app.refuse_analyst")
    op.execute(FORMER_SEEING)
    op.execute("update app.profiles set role = 'client', is_active = false where role = 'analyst'")
    _check_roles(ROLES)


def _check_roles(roles: tuple[str, ...]) -> None:
    op.execute(ROLE_CHECK.format(roles=", ".join(f"'{role}'" for role in roles)))
