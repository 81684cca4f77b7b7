"""Advisory locks are for the Hub's roles: a login that holds one would stop runs, migrations and deliveries."""

from alembic import op

revision = "0027"
down_revision = "0026"

# Functions of the server belong to its administrator: where the owner of the database is another role, nothing changes.
CLOSED = """
do $$
declare
    advisory regprocedure;
begin
    if (select rolsuper from pg_roles where rolname = current_user) then
        for advisory in
            select oid from pg_proc where pronamespace = 'pg_catalog'::regnamespace and proname ~ '^pg_(try_)?advisory_'
        loop
            execute format('revoke execute on function %s from public', advisory);
            execute format('grant execute on function %s to hub_api', advisory);
        end loop;
    end if;
end $$;
"""
OPEN = CLOSED.replace("revoke execute on function %s from public", "grant execute on function %s to public").replace(
    "grant execute on function %s to hub_api", "revoke execute on function %s from hub_api"
)


def upgrade() -> None:
    op.execute(CLOSED)


def downgrade() -> None:
    op.execute(OPEN)
