"""Sessions: people sign in to the front door by one-time links."""

from alembic import op

revision = "0023"
down_revision = "0022"

TABLE = """
create table app.sessions (
    id uuid default uuidv7() not null,
    org_id uuid,
    profile_id uuid,
    link_hash bytea not null,
    link_ends_at timestamptz not null,
    opens_dagster boolean not null,
    session_hash bytea,
    started_at timestamptz,
    ends_at timestamptz,
    ended_at timestamptz,
    created_at timestamptz default now() not null,
    updated_at timestamptz default now() not null,
    constraint pk_sessions primary key (id),
    constraint fk_sessions_org_id_profile_id foreign key (org_id, profile_id)
        references app.profiles (org_id, id) on delete cascade,
    constraint uq_sessions_link_hash unique (link_hash),
    constraint uq_sessions_session_hash unique (session_hash),
    constraint ck_sessions_person check ((org_id is null) = (profile_id is null)),
    constraint ck_sessions_started check ((started_at is null) = (session_hash is null))
);
"""

# hub_api has no right to the table: it knows a session by its secret alone.
FUNCTIONS = """
-- Start the session of a one-time link. False: there is no such link, or it is used or too old.
create function app.start_session(p_link_hash bytea, p_session_hash bytea, p_at timestamptz, p_ends_at timestamptz)
returns boolean language plpgsql security definer set search_path = app, pg_temp as $$
begin
    update app.sessions
    set session_hash = p_session_hash, started_at = p_at, ends_at = p_ends_at, updated_at = now()
    where link_hash = p_link_hash and started_at is null and link_ends_at > p_at;
    return found;
end $$;

-- The running session of this secret: no row where it has ended, or its person is not active.
create function app.session(p_session_hash bytea, p_at timestamptz)
returns table (org_id uuid, profile_id uuid, role text, opens_dagster boolean)
stable language sql security definer set search_path = app, pg_temp as $$
    select s.org_id, s.profile_id, p.role, s.opens_dagster and (s.profile_id is null or p.role = 'admin')
    from app.sessions as s left join app.profiles as p on p.org_id = s.org_id and p.id = s.profile_id
    where s.session_hash = p_session_hash and s.ended_at is null and s.ends_at > p_at
        and (s.profile_id is null or p.is_active)
$$;

create function app.end_session(p_session_hash bytea, p_at timestamptz) returns void
language sql security definer set search_path = app, pg_temp as $$
    update app.sessions set ended_at = p_at, updated_at = now() where session_hash = p_session_hash and ended_at is null
$$;

revoke execute on function app.start_session, app.session, app.end_session from public;
grant execute on function app.start_session, app.session, app.end_session to hub_api;
"""


def upgrade() -> None:
    op.execute(TABLE)
    op.execute(FUNCTIONS)


def downgrade() -> None:
    op.execute("drop function app.start_session, app.session, app.end_session")
    op.execute("drop table app.sessions")
