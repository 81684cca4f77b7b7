"""Sign-in by an identity provider: links for who is known to have an address are not limited."""

from alembic import op

revision = "0042"
down_revision = "0041"

# p_most: the unused links that a person may have been given within 15 minutes; null: any number.
REPLACEMENT = """
drop function app.request_links;
create function app.request_links(p_email text, p_link_hashes bytea[], p_ends_at timestamptz, p_at timestamptz,
    p_most integer)
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
        where p.is_active and lower(p.email) = lower(p_email) and (p_most is null or (
            select count(*) from app.sessions as s
            where s.org_id = p.org_id and s.profile_id = p.id and s.started_at is null
                and s.created_at > p_at - interval '15 minutes'
        ) < p_most)
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
revoke execute on function app.request_links from public;
grant execute on function app.request_links to hub_api;
"""
FORMER = """
drop function app.request_links;
create function app.request_links(p_email text, p_link_hashes bytea[], p_ends_at timestamptz, p_at timestamptz)
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
revoke execute on function app.request_links from public;
grant execute on function app.request_links to hub_api;
"""


def upgrade() -> None:
    op.execute(REPLACEMENT)


def downgrade() -> None:
    op.execute(FORMER)
