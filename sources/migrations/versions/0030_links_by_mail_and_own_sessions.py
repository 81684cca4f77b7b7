"""Sign-in links that people ask for by mail, and the sessions that a person has."""

from alembic import op

revision = "0030"
down_revision = "0029"

# Of one person at most three unused links of a quarter of an hour, so that nobody fills a mailbox.
UPGRADE = """
create function app.request_links(p_email text, p_link_hashes bytea[], p_ends_at timestamptz, p_at timestamptz)
returns table (link_hash bytea, organization_name text, full_name text)
language plpgsql security definer set search_path = app, pg_temp as $$
begin
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

create function app.own_sessions(p_session_hash bytea, p_at timestamptz)
returns table (id uuid, started_at timestamptz, ends_at timestamptz, is_current boolean)
stable language sql security definer set search_path = app, pg_temp as $$
    select s.id, s.started_at, s.ends_at, s.session_hash = p_session_hash
    from app.sessions as mine
    join app.sessions as s on s.org_id = mine.org_id and s.profile_id = mine.profile_id
        and s.is_operators = mine.is_operators
    where mine.session_hash = p_session_hash and mine.ended_at is null and mine.ends_at > p_at
        and s.started_at is not null and s.ended_at is null and s.ends_at > p_at
    order by s.started_at desc
$$;

create function app.end_own_session(p_session_hash bytea, p_id uuid, p_at timestamptz) returns boolean
language plpgsql security definer set search_path = app, pg_temp as $$
begin
    update app.sessions as s set ended_at = p_at, updated_at = now()
    where s.id = p_id and exists (
        select from app.own_sessions(p_session_hash, p_at) as own where own.id = p_id
    );
    return found;
end $$;

create index ix_sessions_profile_id on app.sessions (org_id, profile_id);
revoke execute on function app.request_links, app.own_sessions, app.end_own_session from public;
grant execute on function app.request_links, app.own_sessions, app.end_own_session to hub_api;
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("drop index app.ix_sessions_profile_id")
    op.execute("drop function app.end_own_session, app.own_sessions, app.request_links")
