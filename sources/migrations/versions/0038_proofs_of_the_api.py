"""A transaction becomes that of a person by a proof that the API makes, so that SQL under hub_api cannot raise itself.

Any session may change its settings, so the caller in them counts only if their hash is the current value of a sequence,
which hub_api may read and not set. That value is of the session alone, and an unlogged sequence costs no transaction id.
"""

from alembic import op

revision = "0038"
down_revision = "0037"

STATE = """
-- What verifies a proof: the two keys of HMAC (RFC 2104), of the secret that `hub db migrate` and the API have.
create table app.entry_keys (
    is_only boolean default true not null,
    inner_key bytea not null,
    outer_key bytea not null,
    constraint pk_entry_keys primary key (is_only),
    constraint ck_entry_keys_is_only check (is_only)
);
create unlogged sequence app.challenges;
create unlogged sequence app.callers minvalue -9223372036854775808 start 1;
grant select on sequence app.callers to hub_api;
"""

# Written in the form that is parsed once: a session cannot put tables or types of its own in their place.
CALLER = """
-- The start of this transaction, in microseconds.
create function app.moment() returns bigint stable language sql
    return (extract(epoch from now()) * 1000000)::bigint;

-- What the settings of a caller hash to in this transaction.
create function app.mark_of_caller() returns bigint stable language sql
    return substr(sha256(convert_to(format('%s %L %L %L %L %L', app.moment(),
        current_setting('hub.org_id', true), current_setting('hub.profile_id', true), current_setting('hub.role', true),
        current_setting('hub.key_id', true), current_setting('hub.key_expires_at', true)), 'UTF8')), 1, 8)::bigint;

-- True: a function of this schema set the caller of this transaction, and the settings are those that it set.
create function app.has_entered() returns boolean stable language sql
    return case when current_setting('hub.role', true) <> ''
        then currval('app.callers'::regclass) = app.mark_of_caller() else false end;

create or replace function app.org_id() returns uuid stable language sql
    return case when app.has_entered() then nullif(current_setting('hub.org_id', true), '')::uuid end;
create or replace function app.person() returns uuid stable language sql
    return case when app.has_entered() then nullif(current_setting('hub.profile_id', true), '')::uuid end;
create function app.caller_role() returns text stable language sql
    return case when app.has_entered() then current_setting('hub.role', true) end;
create or replace function app.sees_all() returns boolean stable language sql
    return coalesce(app.caller_role() in ('admin', 'analyst', 'system'), false);
create or replace function app.administers() returns boolean stable language sql
    return coalesce(app.caller_role() in ('admin', 'system'), false);

drop function app.enter, app.enter_as_system, app.set_caller;
create function app.set_caller(
    p_org_id uuid, p_profile_id uuid, p_role text, p_key_id uuid, p_key_expires_at timestamptz, p_timeout_ms integer
) returns void language plpgsql security definer set search_path = app, pg_temp as $$
begin
    perform set_config('hub.org_id', coalesce(p_org_id::text, ''), true),
        set_config('hub.profile_id', coalesce(p_profile_id::text, ''), true),
        set_config('hub.role', p_role, true),
        set_config('hub.key_id', coalesce(p_key_id::text, ''), true),
        set_config('hub.key_expires_at', coalesce(p_key_expires_at::text, ''), true),
        set_config('statement_timeout', coalesce(p_timeout_ms::text, current_setting('statement_timeout')), true);
    perform setval('app.callers', app.mark_of_caller());
end $$;
"""

ENTRY = """
-- The number that the next proof of this session has to name. A session begins with one.
create function app.challenge() returns bigint language sql security definer set search_path = app, pg_temp
    return nextval('app.challenges'::regclass);

-- Refuse a proof that was not made for this session, its last challenge and `p_what`; return the next challenge.
create function app.check_proof(p_proof bytea, p_what text) returns bigint
language plpgsql security definer set search_path = app, pg_temp as $$
declare
    proven bytea := convert_to(format('%s/%s/%s', pg_backend_pid(), currval('app.challenges'), p_what), 'UTF8');
begin
    if (p_proof = (select sha256(outer_key || sha256(inner_key || proven)) from app.entry_keys)) is not true then
        raise exception using errcode = 'insufficient_privilege', message = 'The proof of the caller is not valid.',
            hint = 'HUB_API_ENTRY_SECRET of the API is that of `hub db migrate`.';
    end if;
    return nextval('app.challenges');
end $$;

-- The caller of a verified token: by profile, or by e-mail within the organisation. No id: no such active person.
create function app.enter(
    p_org_id uuid, p_profile_id uuid, p_email text, p_timeout_ms integer, p_proof bytea,
    out profile_id uuid, out role text, out challenge bigint
) returns record language plpgsql security definer set search_path = app, pg_temp as $$
begin
    challenge := app.check_proof(p_proof, format('person/%s/%s/%s', p_org_id, p_profile_id, p_email));
    if p_profile_id is not null then
        select p.id, p.role into enter.profile_id, enter.role from app.profiles as p
        where p.org_id = p_org_id and p.id = p_profile_id and p.is_active;
    else
        select p.id, p.role into enter.profile_id, enter.role from app.profiles as p
        where p.org_id = p_org_id and p.email = p_email and p.is_active;
    end if;
    if enter.profile_id is not null then
        perform app.set_caller(p_org_id, enter.profile_id, enter.role, null, null, p_timeout_ms);
    end if;
end $$;

-- The caller of an API key, by the hash of the key, which is the proof; last_used_at is written at most once a minute.
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
        perform app.set_caller(
            enter_with_key.org_id, enter_with_key.profile_id, enter_with_key.role, key_id, expires_at, p_timeout_ms
        );
        update app.api_keys set last_used_at = now() where id = (
            select k.id from app.api_keys as k
            where k.key_hash = p_key_hash
                and (k.last_used_at is null or k.last_used_at < now() - interval '1 minute')
            for update skip locked
        );
    end if;
end $$;

-- A part of the Hub. `system`: automatic transitions, and events of a payment provider. `live`: the reader of the live
-- changes of every organisation, who sends each person their own. `sign_in`: who makes the links that people ask for.
create function app.enter_as(p_role text, p_org_id uuid, p_timeout_ms integer, p_proof bytea, out challenge bigint)
language plpgsql security definer set search_path = app, pg_temp as $$
begin
    challenge := app.check_proof(p_proof, format('%s/%s', p_role, p_org_id));
    perform app.set_caller(p_org_id, null, p_role, null, null, p_timeout_ms);
end $$;
"""
# What hub_api may call for a part of the Hub only. The owner of the tables, who may read them anyway, needs no proof.
GUARDED = """
create function app.check_role(p_role text) returns void stable language plpgsql set search_path = app, pg_temp as $$
begin
    if session_user = 'hub_api' and app.caller_role() is distinct from p_role then
        raise exception using errcode = 'insufficient_privilege', message = 'Only a part of the Hub may call this.';
    end if;
end $$;
"""
LIVE_CHANGES = """
create or replace function app.live_changes_since(p_snapshot text, p_limit integer) returns table (
    snapshot text, id uuid, org_id uuid, kind text, booking_id uuid, client_id uuid, provider_id uuid, data text
) language plpgsql stable security definer
    set search_path = app, pg_temp set plan_cache_mode = force_custom_plan set enable_seqscan = off
    set max_parallel_workers_per_gather = 0 as $$
#variable_conflict use_column
begin
    perform app.check_role('live');
    return query
    select pg_current_snapshot()::text, changes.id, changes.org_id, changes.kind, changes.booking_id,
        changes.client_id, changes.provider_id, changes.data::text
    from (values (1)) as one_row left join lateral (
        select * from (
            select * from app.live_changes where transaction_id >= pg_snapshot_xmax(p_snapshot::pg_snapshot)
            union all
            select * from app.live_changes
            where transaction_id = any (array(select pg_snapshot_xip(p_snapshot::pg_snapshot)))
        ) as committed order by id limit p_limit
    ) as changes on true;
end $$;
"""
LINKS = """
create or replace function app.request_links(p_email text, p_link_hashes bytea[], p_ends_at timestamptz, p_at timestamptz)
returns table (link_hash bytea, organization_name text, full_name text)
language plpgsql security definer set search_path = app, pg_temp as $$
begin
    perform app.check_role('sign_in');
    perform pg_advisory_xact_lock(hashtextextended('links of ' || lower(p_email), 0));  -- the limit counts all before
    return query
    with people as (
        select p.org_id, p.id, p.full_name as person, o.name as organization,
            row_number() over (order by o.name, p.id) as position
        from app.profiles as p join app.organizations as o on o.id = p.org_id
        where p.is_active and lower(p.email) = lower(p_email) and (
            select count(*) from app.sessions as s
            where s.org_id = p.org_id and s.profile_id = p.id and s.started_at is null
                and s.created_at > p_at - interval '15 minutes'
        ) < 3
    ), made as (
        insert into app.sessions (org_id, profile_id, link_hash, link_ends_at, opens_dagster)
        select people.org_id, people.id, p_link_hashes[people.position], p_ends_at, false
        from people where people.position <= cardinality(p_link_hashes)
        returning sessions.link_hash, sessions.profile_id
    )
    select made.link_hash, people.organization, people.person
    from made join people on people.id = made.profile_id
    order by people.position;
end $$;
"""
FIRST_ADMIN = """
create or replace function app.add_first_admin(
    p_session_hash bytea, p_org_id uuid, p_full_name text, p_email text, p_at timestamptz
)
returns uuid language plpgsql security definer set search_path = app, pg_temp as $$
declare
    added uuid;
begin
    perform from app.organizations as o where o.id = p_org_id for update;  -- of two at once one adds
    if not exists (
        select from app.organizations_without_admin(p_session_hash, p_at) as open_ones where open_ones.org_id = p_org_id
    ) then
        return null;
    end if;
    perform app.set_caller(p_org_id, null, 'operator', null, null, null);
    insert into app.profiles (org_id, role, full_name, email) values (p_org_id, 'admin', p_full_name, p_email)
    returning id into added;
    insert into app.audit_log (org_id, actor_id, actor_role, action, table_name, row_id)
    values (p_org_id, added, 'operator', 'insert', 'profiles', added);
    perform app.act_as(p_session_hash, added, p_at);
    return added;
end $$;
"""
AUDIT = """
create or replace function app.audit() returns trigger language plpgsql security definer set search_path = app, pg_temp as $$
declare
    caller_role text := app.caller_role();
    caller_id uuid := app.person();
    caller_key uuid;
begin
    if caller_role is null then
        if session_user = 'hub_api' then  -- whose statement changed the settings of its caller
            raise exception using errcode = 'insufficient_privilege', message = 'The change has no caller.';
        end if;
        return null;
    elsif caller_role = 'operator' then  -- app.add_first_admin writes its own row
        return null;
    end if;
    caller_key := nullif(current_setting('hub.key_id', true), '')::uuid;
    if tg_op = 'INSERT' then
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
"""
GRANTS = """
revoke execute on function app.moment, app.mark_of_caller, app.has_entered, app.caller_role, app.check_role, app.set_caller,
    app.challenge, app.check_proof, app.enter, app.enter_as from public;
grant execute on function app.moment, app.mark_of_caller, app.has_entered, app.caller_role, app.challenge, app.enter,
    app.enter_as to hub_api;
"""

FORMER_CALLER = """
drop function app.enter, app.enter_as, app.set_caller, app.challenge, app.check_proof;
create or replace function app.org_id() returns uuid stable language sql
    return nullif(current_setting('hub.org_id', true), '')::uuid;
create or replace function app.person() returns uuid stable language sql
    return nullif(current_setting('hub.profile_id', true), '')::uuid;
create or replace function app.sees_all() returns boolean stable language sql
    return coalesce(current_setting('hub.role', true), '') in ('admin', 'analyst', 'system');
create or replace function app.administers() returns boolean stable language sql
    return coalesce(current_setting('hub.role', true), '') in ('admin', 'system');
create function app.set_caller(p_org_id uuid, p_profile_id uuid, p_role text, p_timeout_ms integer)
returns void language sql as $$
    select set_config('hub.org_id', p_org_id::text, true),
        set_config('hub.profile_id', coalesce(p_profile_id::text, ''), true),
        set_config('hub.role', p_role, true),
        set_config('statement_timeout', p_timeout_ms::text, true)
$$;
-- The caller of a verified token: by profile, or by e-mail within the organisation. No row: no such active person.
create function app.enter(
    p_org_id uuid, p_profile_id uuid, p_email text, p_timeout_ms integer,
    out profile_id uuid, out role text
) returns record language plpgsql security definer set search_path = app, pg_temp as $$
begin
    if p_profile_id is not null then
        select p.id, p.role into enter.profile_id, enter.role from app.profiles as p
        where p.org_id = p_org_id and p.id = p_profile_id and p.is_active;
    else
        select p.id, p.role into enter.profile_id, enter.role from app.profiles as p
        where p.org_id = p_org_id and p.email = p_email and p.is_active;
    end if;
    if enter.profile_id is not null then
        perform app.set_caller(p_org_id, enter.profile_id, enter.role, p_timeout_ms);
    end if;
end $$;
create function app.enter_as_system(p_org_id uuid, p_timeout_ms integer) returns void language sql
    begin atomic
        select app.set_caller(p_org_id, null, 'system', p_timeout_ms);
    end;
"""
FORMER_KEY = """
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
FORMER_AUDIT = """
create or replace function app.audit() returns trigger language plpgsql security definer set search_path = app, pg_temp as $$
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
"""
DROPPED = """
drop function app.check_role, app.caller_role, app.has_entered, app.mark_of_caller, app.moment;
drop sequence app.challenges, app.callers;
drop table app.entry_keys;
revoke execute on function app.set_caller, app.enter, app.enter_as_system from public;
grant execute on function app.set_caller, app.enter, app.enter_as_system to hub_api;
"""
GUARDS = ("    perform app.check_role(", "    perform app.set_caller(")  # lines of functions that were the same before


def upgrade() -> None:
    for part in (STATE, CALLER, ENTRY, GUARDED, LIVE_CHANGES, LINKS, FIRST_ADMIN, AUDIT, GRANTS):
        op.execute(part)


def downgrade() -> None:
    for part in (FORMER_CALLER, FORMER_KEY, FORMER_AUDIT):
        op.execute(part)
    for part in (LIVE_CHANGES, LINKS, FIRST_ADMIN):
        op.execute("\n".join(line for line in part.splitlines() if not line.startswith(GUARDS)))
    op.execute(DROPPED)
