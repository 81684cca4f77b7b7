"""A person who is deactivated, or a key that is revoked, loses open streams at once."""

from alembic import op

revision = "0024"
down_revision = "0023"

FUNCTIONS = """
create function app.announce_access() returns trigger language plpgsql as $$
begin
    perform pg_notify('hub_access', '');
    return null;
end $$;
create trigger announce_access after update of is_active, role or delete on app.profiles
    for each statement execute function app.announce_access();
create trigger announce_access after update of revoked_at or delete on app.api_keys
    for each statement execute function app.announce_access();

-- The positions (from 1) of the callers who no longer may do what they could when their stream began: their person is
-- not active or has another role, or their key (null: a token) is revoked.
create function app.without_access(p_org_ids uuid[], p_profile_ids uuid[], p_roles text[], p_key_hashes bytea[])
returns setof bigint stable language sql security definer set search_path = app, pg_temp as $$
    select caller.position
    from unnest(p_org_ids, p_profile_ids, p_roles, p_key_hashes)
        with ordinality as caller (org_id, profile_id, role, key_hash, position)
    where not exists (
        select from app.profiles as p
        where p.org_id = caller.org_id and p.id = caller.profile_id and p.is_active and p.role = caller.role
    ) or caller.key_hash is not null and not exists (
        select from app.api_keys as k where k.key_hash = caller.key_hash and k.revoked_at is null
    )
$$;

revoke execute on function app.announce_access, app.without_access from public;
grant execute on function app.without_access to hub_api;
"""


def upgrade() -> None:
    op.execute(FUNCTIONS)


def downgrade() -> None:
    op.execute(
        """
        drop trigger announce_access on app.profiles;
        drop trigger announce_access on app.api_keys;
        drop function app.announce_access, app.without_access;
        """
    )
