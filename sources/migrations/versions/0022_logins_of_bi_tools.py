"""Logins of BI tools: whose rows each one sees, the policy of the tables that they read, and what operators may change."""

from alembic import op

revision = "0022"
down_revision = "0021"

ACCESS = """
create table app.bi_access (
    id uuid constraint pk_bi_access primary key default uuidv7(),
    org_id uuid not null,
    login text not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint uq_bi_access_org_id_id unique (org_id, id),
    constraint uq_bi_access_login_org_id unique (login, org_id)
);
create trigger touch before update on app.bi_access for each row execute function app.touch_row();

-- The login, not the current role: `set role` does not change it. A login without a row sees nothing.
create function app.organizations_of_login() returns uuid[]
language sql stable parallel safe security definer set search_path = '' as $$
    select coalesce(array_agg(access.org_id), '{}') from app.bi_access as access where access.login = session_user
$$;
comment on function app.organizations_of_login is 'Return the organisations whose rows the login of this session may see.';

create function app.wall_off(p_table regclass, p_is_common boolean default false) returns void
language plpgsql set search_path = '' as $$
declare
    -- As pg_get_expr writes it.
    condition text := case when p_is_common then 'true' else
        '(org_id = ANY (( SELECT app.organizations_of_login() AS organizations_of_login)::uuid[]))'
    end;
begin
    if not exists (select from pg_catalog.pg_policy where polrelid = p_table and polname = 'readers') then
        execute format('create policy readers on %s for select to hub_reader using (%s)', p_table, condition);
    elsif (
        select pg_catalog.pg_get_expr(polqual, polrelid) is distinct from condition
        from pg_catalog.pg_policy where polrelid = p_table and polname = 'readers'
    ) then
        execute format('alter policy readers on %s to hub_reader using (%s)', p_table, condition);
    end if;
    if exists (select from pg_catalog.pg_class where oid = p_table and not relrowsecurity) then
        execute format('alter table %s enable row level security', p_table);
    end if;
end $$;
comment on function app.wall_off is 'Show hub_reader only the rows of the organisations of the login, or all rows of a common table. Can be repeated.';

revoke execute on function app.organizations_of_login, app.wall_off from public;
grant execute on function app.organizations_of_login to hub_reader;
"""

# Landed tables and outputs of models. The marts and the views are closed to readers until dbt has built them again.
WALLS = """
do $$
declare
    existing regclass;
    closed name;
begin
    for existing in
        select pg_class.oid
        from pg_class
        join pg_attribute on attrelid = pg_class.oid and attname = 'org_id'
        where relnamespace in ('raw'::regnamespace, 'ml'::regnamespace) and relkind = 'r'
    loop
        perform app.wall_off(existing);
        if existing <> 'ml.fingerprints'::regclass then  -- it says when a model has to run again
            execute format('grant select on %s to hub_reader', existing);
        end if;
    end loop;
    for closed in select nspname from pg_namespace where nspname in ('marts', 'analytics') loop
        execute format('revoke all on all tables in schema %I from hub_reader', closed);
    end loop;
end $$;
grant usage on schema ml to hub_reader;

-- For analytics.get_latest_insights, which has the rights of the caller.
select app.wall_off('app.insight_events');
grant usage on schema app to hub_reader;
grant select (
    id, org_id, kind, severity, status, metric, dimension, member, day, title, summary, recommendation, value, expected,
    impact, first_seen, last_seen, resolved_at
) on app.insight_events to hub_reader;
delete from raw.model_states;

do $$ begin
    revoke all on public.pg_stat_statements, public.pg_stat_statements_info from public;
exception when undefined_table or insufficient_privilege then
    null;  -- not there, or of the administrator of the server
end $$;
"""

OPERATIONS = """
do $$ begin
    if not exists (select from pg_roles where rolname = 'hub_operator') then
        create role hub_operator nologin;
    end if;
end $$;

-- The owner of the tables may do all, a login what concerns its organisations.
create function app.demand_organization(p_org_id uuid) returns void
language plpgsql stable security definer set search_path = '' as $$
begin
    if p_org_id = any (app.organizations_of_login()) or pg_catalog.pg_has_role(
        session_user, (select relowner from pg_catalog.pg_class where oid = 'app.bi_access'::regclass), 'member'
    ) then
        return;
    end if;
    raise exception using errcode = 'insufficient_privilege',
        message = format('Organisation %s is not one of the login %s.', coalesce(p_org_id::text, 'null'), session_user);
end $$;

create function app.generate_daily_insights(p_org_id uuid) returns uuid
language plpgsql security definer set search_path = '' as $$
begin
    perform app.demand_organization(p_org_id);
    return app.request_insights(p_org_id, 'login ' || session_user);
end $$;
comment on function app.generate_daily_insights is 'Return the id of the waiting request for insights of the organisation, made if there is none. A sensor of the running Hub starts the run.';

create function app.organizations_awaiting_insights() returns setof uuid
language sql stable set search_path = '' as $$
    select clock.org_id
    from raw.run_clock as clock
    where not exists (
        select from ml.fingerprints as fingerprints
        where fingerprints.org_id = clock.org_id and fingerprints.model = 'revenue_forecasts'
            and fingerprints.as_of >= clock.as_of
    )
    -- A failure is tried again for the next day, or when a person asks for insights.
    and not exists (
        select from raw.run_failures as failures
        where failures.org_id = clock.org_id and failures.as_of >= clock.as_of
    )
    order by clock.org_id
$$;
comment on function app.organizations_awaiting_insights is 'Return the organisations whose last complete day has no insights yet.';

create function app.fn_auto_generate_insights() returns setof uuid
language plpgsql security definer set search_path = '' as $$
declare
    due uuid;
begin
    for due in select app.organizations_awaiting_insights() loop
        begin
            return next app.generate_daily_insights(due);
        exception when insufficient_privilege then
            null;  -- an organisation of others
        end;
    end loop;
end $$;
comment on function app.fn_auto_generate_insights is 'Request insights for each organisation of the login whose last complete day has none yet, and return the ids of the requests.';

create function app.resolve_insight(p_org_id uuid, p_insight_id uuid, p_note text) returns void
language plpgsql security definer set search_path = '' as $$
declare
    present record;
begin
    perform app.demand_organization(p_org_id);
    select insights.title, insights.status into present from app.insight_events as insights
    where insights.org_id = p_org_id and insights.id = p_insight_id for update;
    if not found then
        raise exception using errcode = 'no_data_found', message = 'There is no such insight of this organisation.';
    elsif present.status in ('resolved', 'dismissed') then
        raise exception using errcode = 'object_not_in_prerequisite_state',
            message = format('“%s” is already %s.', present.title, present.status);
    end if;
    update app.insight_events
    set status = 'resolved', feedback = coalesce(p_note, feedback), closed_by = 'login ' || session_user,
        resolved_at = now()
    where org_id = p_org_id and id = p_insight_id;
end $$;
comment on function app.resolve_insight is 'Resolve an open or acknowledged insight of the organisation, with a note.';

create function app.log_notification_attempt(p_org_id uuid, p_delivery_id uuid, p_ok boolean, p_detail text) returns void
language plpgsql security definer set search_path = '' as $$
declare
    present record;
    result text := case when p_ok then 'sent' else 'failed' end;
begin
    perform app.demand_organization(p_org_id);
    if p_ok is null then
        raise exception using errcode = 'invalid_parameter_value', message = 'p_ok is true or false.';
    end if;
    -- The lock of the worker that sends the delivery (notifications/delivery_claims.py).
    if not pg_catalog.pg_try_advisory_xact_lock(pg_catalog.hashtextextended(p_delivery_id::text, 0)) then
        raise exception using errcode = 'lock_not_available', message = 'The Hub is sending this delivery.';
    end if;
    select deliveries.state into present from app.notification_deliveries as deliveries
    where deliveries.org_id = p_org_id and deliveries.id = p_delivery_id for update;
    if not found then
        raise exception using errcode = 'no_data_found', message = 'There is no such delivery of this organisation.';
    elsif present.state in ('sent', 'dead') then
        raise exception using errcode = 'object_not_in_prerequisite_state',
            message = format('The delivery is already %s.', present.state);
    end if;
    with settled as (
        update app.notification_deliveries
        set state = result, attempts = attempts + 1, last_error = case when not p_ok then p_detail end,
            sent_at = case when p_ok then now() end
        where org_id = p_org_id and id = p_delivery_id
        returning org_id, id, attempts
    )
    insert into app.notification_attempts (org_id, delivery_id, attempt, attempted_at, outcome, detail)
    select org_id, id, attempts, now(), result, p_detail from settled;
end $$;
comment on function app.log_notification_attempt is 'Record an attempt to send a delivery that was made outside of the Hub: sent, or failed and to be tried again by the Hub.';

revoke execute on function app.demand_organization, app.generate_daily_insights, app.organizations_awaiting_insights,
    app.fn_auto_generate_insights, app.resolve_insight, app.log_notification_attempt from public;
grant usage on schema app to hub_operator;
grant execute on function app.generate_daily_insights, app.fn_auto_generate_insights, app.resolve_insight,
    app.log_notification_attempt to hub_operator;
"""

OPEN = """
revoke usage on schema app from hub_operator;
drop function app.fn_auto_generate_insights, app.organizations_awaiting_insights, app.generate_daily_insights,
    app.resolve_insight, app.log_notification_attempt, app.demand_organization;
do $$
declare
    existing regclass;
begin
    for existing in select polrelid from pg_policy where polname = 'readers' loop
        execute format('drop policy readers on %s', existing);
        execute format('revoke all on %s from hub_reader', existing);
        if existing <> 'app.insight_events'::regclass then
            execute format('alter table %s disable row level security', existing);
        end if;
    end loop;
end $$;
revoke usage on schema ml, app from hub_reader;
delete from raw.model_states;
drop function app.wall_off, app.organizations_of_login;
drop table app.bi_access;
"""


def upgrade() -> None:
    op.execute(ACCESS)
    op.execute(WALLS)
    op.execute(OPERATIONS)


def downgrade() -> None:
    op.execute(OPEN)
