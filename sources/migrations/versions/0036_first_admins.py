"""The operator opens the pages of an organisation that has no admin yet, such as an imported one, as its first admin."""

from alembic import op

revision = "0036"
down_revision = "0035"

UPGRADE = """
create function app.organizations_without_admin(p_session_hash bytea, p_at timestamptz)
returns table (org_id uuid, organization_name text)
stable language sql security definer set search_path = app, pg_temp as $$
    select o.id, o.name from app.organizations as o
    where not exists (
        select from app.profiles as p where p.org_id = o.id and p.role = 'admin' and p.is_active
    ) and exists (
        select from app.sessions as s
        where s.session_hash = p_session_hash and s.is_operators and s.ended_at is null and s.ends_at > p_at
    )
    order by o.name
$$;

-- Add the first admin, as whom the operator's session opens the pages. Null: the session is not the operator's, or the
-- organisation has an admin.
create function app.add_first_admin(
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
    insert into app.profiles (org_id, role, full_name, email) values (p_org_id, 'admin', p_full_name, p_email)
    returning id into added;
    insert into app.audit_log (org_id, actor_id, actor_role, action, table_name, row_id)
    values (p_org_id, added, 'operator', 'insert', 'profiles', added);
    perform app.act_as(p_session_hash, added, p_at);
    return added;
end $$;

revoke execute on function app.organizations_without_admin, app.add_first_admin from public;
grant execute on function app.organizations_without_admin, app.add_first_admin to hub_api;
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("drop function app.add_first_admin, app.organizations_without_admin")
