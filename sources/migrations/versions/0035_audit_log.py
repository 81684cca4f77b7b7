"""An account of who did what: every change that a person makes by the API or the pages, and every sign-in."""

from alembic import op

revision = "0035"
down_revision = "0034"

TABLE = """
create table app.audit_log (
    id uuid default uuidv7() not null,
    org_id uuid not null,
    at timestamptz default now() not null,
    actor_id uuid,
    actor_role text not null,
    key_id uuid,
    action text not null,
    table_name text,
    row_id uuid,
    before jsonb,
    after jsonb,
    constraint pk_audit_log primary key (id),
    constraint ck_audit_log_action check (action in ('insert', 'update', 'delete', 'sign_in', 'act_as'))
);
create index ix_audit_log_org_id_id on app.audit_log (org_id, id);
create index ix_audit_log_org_id_row_id_id on app.audit_log (org_id, row_id, id);

create function app.keep_audit_log() returns trigger language plpgsql set search_path = app, pg_temp as $$
begin
    raise exception using errcode = 'insufficient_privilege',
        message = 'The audit log is append-only: no row of it is changed or deleted.';
end $$;
create trigger keep before update or delete on app.audit_log for each row execute function app.keep_audit_log();
create trigger keep_all before truncate on app.audit_log for each statement execute function app.keep_audit_log();
revoke execute on function app.keep_audit_log from public;

alter table app.audit_log enable row level security;
create policy caller on app.audit_log for select to hub_api
    using (org_id = (select app.org_id()) and (select app.sees_all()));
grant select on app.audit_log to hub_api;
"""

# Writers without a caller (imports, the sample, psql) are left out: an import has its own records. Secrets, texts of
# messages, and what follows from other columns are no part of a row here.
FUNCTIONS = """
create function app.audited(p_row jsonb) returns jsonb immutable language sql set search_path = app, pg_temp as $$
    select p_row - '{created_at,updated_at,row_version,key_hash,last_used_at,target,progress_pct,start_key,amount_minor}'::text[]
$$;

create function app.audit() returns trigger language plpgsql security definer set search_path = app, pg_temp as $$
declare
    caller_role text := coalesce(current_setting('hub.role', true), '');
    caller_id uuid := nullif(current_setting('hub.profile_id', true), '')::uuid;
    caller_key uuid := nullif(current_setting('hub.key_id', true), '')::uuid;
begin
    if caller_role = '' then
        return null;
    elsif tg_op = 'INSERT' then
        insert into app.audit_log (org_id, actor_id, actor_role, key_id, action, table_name, row_id, after)
        select new_rows.org_id, caller_id, caller_role, caller_key, 'insert', tg_table_name, new_rows.id, app.audited(to_jsonb(new_rows))
        from new_rows;
    elsif tg_op = 'DELETE' then
        insert into app.audit_log (org_id, actor_id, actor_role, key_id, action, table_name, row_id, before)
        select old_rows.org_id, caller_id, caller_role, caller_key, 'delete', tg_table_name, old_rows.id, app.audited(to_jsonb(old_rows))
        from old_rows;
    else
        insert into app.audit_log (org_id, actor_id, actor_role, key_id, action, table_name, row_id, before, after)
        select new_rows.org_id, caller_id, caller_role, caller_key, 'update', tg_table_name, new_rows.id, changed.before, changed.after
        from new_rows
        join old_rows on old_rows.id = new_rows.id
        cross join lateral (
            select jsonb_object_agg(was.name, was.value) as before, jsonb_object_agg(is_now.name, is_now.value) as after
            from jsonb_each(app.audited(to_jsonb(old_rows))) as was (name, value)
            join jsonb_each(app.audited(to_jsonb(new_rows))) as is_now (name, value) on is_now.name = was.name
            where was.value is distinct from is_now.value
        ) as changed
        where changed.after is not null;
    end if;
    return null;
end $$;
revoke execute on function app.audited, app.audit from public;
"""
AUDITED = (
    "organizations", "profiles", "provider_absences", "services", "service_packages", "service_add_ons", "price_rules",
    "bookings", "booking_extras", "milestones", "tasks", "time_entries", "approvals", "invoices", "payments", "reviews",
    "calendar_events", "metric_targets", "notification_channels", "api_keys", "insight_feedback", "saved_views",
)  # fmt: skip
TRIGGERS = """
create trigger audit_new after insert on app.{table} referencing new table as new_rows
    for each statement execute function app.audit();
create trigger audit_changed after update on app.{table} referencing old table as old_rows new table as new_rows
    for each statement execute function app.audit();
create trigger audit_gone after delete on app.{table} referencing old table as old_rows
    for each statement execute function app.audit();
"""

SESSIONS = """
create or replace function app.start_session(
    p_link_hash bytea, p_session_hash bytea, p_at timestamptz, p_ends_at timestamptz
)
returns boolean language plpgsql security definer set search_path = app, pg_temp as $$
declare
    started record;
begin
    update app.sessions as s
    set session_hash = p_session_hash, started_at = p_at, ends_at = p_ends_at, updated_at = now()
    where s.link_hash = p_link_hash and s.started_at is null and s.link_ends_at > p_at
    returning s.id, s.org_id, s.profile_id into started;
    if not found then
        return false;
    end if;
    insert into app.audit_log (org_id, actor_id, actor_role, action, table_name, row_id)
    select p.org_id, p.id, p.role, 'sign_in', 'sessions', started.id
    from app.profiles as p where p.org_id = started.org_id and p.id = started.profile_id;
    return true;
end $$;

create or replace function app.act_as(p_session_hash bytea, p_profile_id uuid, p_at timestamptz) returns boolean
language plpgsql security definer set search_path = app, pg_temp as $$
declare
    acting record;
begin
    update app.sessions as s set org_id = p.org_id, profile_id = p.id, updated_at = now()
    from app.profiles as p
    where s.session_hash = p_session_hash and s.is_operators and s.ended_at is null and s.ends_at > p_at
        and p.id = p_profile_id and p.role = 'admin' and p.is_active
    returning s.id, p.org_id, p.id as profile_id into acting;
    if not found then
        return false;
    end if;
    insert into app.audit_log (org_id, actor_id, actor_role, action, table_name, row_id)
    values (acting.org_id, acting.profile_id, 'operator', 'act_as', 'sessions', acting.id);
    return true;
end $$;

create or replace function app.enter_with_key(
    p_key_hash bytea, p_timeout_ms integer,
    out org_id uuid, out profile_id uuid, out role text, out scopes text[]
) returns record language plpgsql security definer set search_path = app, pg_temp as $$
declare
    key_id uuid;
    expires_at timestamptz;
begin
    select k.id, k.org_id, k.profile_id, p.role, k.scopes, k.expires_at
    into key_id, enter_with_key.org_id, enter_with_key.profile_id, enter_with_key.role, enter_with_key.scopes, expires_at
    from app.api_keys as k join app.profiles as p on p.org_id = k.org_id and p.id = k.profile_id
    where k.key_hash = p_key_hash and k.revoked_at is null and coalesce(k.expires_at > now(), true) and p.is_active;
    if enter_with_key.profile_id is not null then
        update app.api_keys set last_used_at = now() where id = (
            select k.id from app.api_keys as k
            where k.key_hash = p_key_hash
                and (k.last_used_at is null or k.last_used_at < now() - interval '1 minute')
            for update skip locked
        );
        perform app.set_caller(
            enter_with_key.org_id, enter_with_key.profile_id, enter_with_key.role, p_timeout_ms
        );
        perform set_config('hub.key_expires_at', coalesce(expires_at::text, ''), true);
        perform set_config('hub.key_id', key_id::text, true);
    end if;
end $$;
"""
FORMER_SESSIONS = """
create or replace function app.start_session(
    p_link_hash bytea, p_session_hash bytea, p_at timestamptz, p_ends_at timestamptz
)
returns boolean language plpgsql security definer set search_path = app, pg_temp as $$
begin
    update app.sessions
    set session_hash = p_session_hash, started_at = p_at, ends_at = p_ends_at, updated_at = now()
    where link_hash = p_link_hash and started_at is null and link_ends_at > p_at;
    return found;
end $$;

create or replace function app.act_as(p_session_hash bytea, p_profile_id uuid, p_at timestamptz) returns boolean
language plpgsql security definer set search_path = app, pg_temp as $$
begin
    update app.sessions as s set org_id = p.org_id, profile_id = p.id, updated_at = now()
    from app.profiles as p
    where s.session_hash = p_session_hash and s.is_operators and s.ended_at is null and s.ends_at > p_at
        and p.id = p_profile_id and p.role = 'admin' and p.is_active;
    return found;
end $$;
"""


def upgrade() -> None:
    op.execute(TABLE)
    op.execute(FUNCTIONS)
    for table in AUDITED:
        op.execute(TRIGGERS.format(table=table))
    op.execute(SESSIONS)


def downgrade() -> None:
    op.execute(FORMER_SESSIONS)  # enter_with_key stays: it only names the key in a setting
    for table in AUDITED:
        for name in ("audit_new", "audit_changed", "audit_gone"):
            op.execute(f"drop trigger {name} on app.{table}")
    op.execute("drop function app.audit, app.audited")
    op.execute("drop table app.audit_log")
    op.execute("drop function app.keep_audit_log")
