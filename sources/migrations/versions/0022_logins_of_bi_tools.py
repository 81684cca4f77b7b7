"""Logins of BI tools: whose rows each one sees, and the policy of the tables that they read."""

from alembic import op

revision = "0022"
down_revision = "0020"

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
begin
    if not exists (select from pg_catalog.pg_policy where polrelid = p_table and polname = 'readers') then
        execute format(
            'create policy readers on %s for select to hub_reader using (%s)', p_table,
            case when p_is_common then 'true' else 'org_id = any ((select app.organizations_of_login())::uuid[])' end
        );
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
        execute format('grant select on %s to hub_reader', existing);
    end loop;
    for closed in select nspname from pg_namespace where nspname in ('marts', 'analytics') loop
        execute format('revoke all on all tables in schema %I from hub_reader', closed);
    end loop;
end $$;
grant usage on schema ml to hub_reader;
delete from raw.model_states;

do $$ begin
    revoke all on public.pg_stat_statements, public.pg_stat_statements_info from public;
exception when undefined_table or insufficient_privilege then
    null;  -- not there, or of the administrator of the server
end $$;
"""

OPEN = """
do $$
declare
    existing regclass;
begin
    for existing in select polrelid from pg_policy where polname = 'readers' loop
        execute format('drop policy readers on %s', existing);
        execute format('alter table %s disable row level security', existing);
        execute format('revoke all on %s from hub_reader', existing);
    end loop;
end $$;
revoke usage on schema ml from hub_reader;
delete from raw.model_states;
drop function app.wall_off, app.organizations_of_login;
drop table app.bi_access;
"""


def upgrade() -> None:
    op.execute(ACCESS)
    op.execute(WALLS)


def downgrade() -> None:
    op.execute(OPEN)
