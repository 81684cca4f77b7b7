"""Admins change the catalogue, the organisation and absences by the API; packages are retired; API keys expire."""

from alembic import op

revision = "0032"
down_revision = "0031"

# Table -> the rights that hub_api gets. Restrictive policies leave the writing to admins, whoever may read the rows.
WRITTEN_BY_ADMINS = {
    "services": ("insert", "update"),
    "service_packages": ("insert", "update"),
    "service_add_ons": ("insert", "update"),
    "price_rules": ("insert", "update"),
    "provider_absences": ("insert", "update", "delete"),
    "organizations": ("update",),
    "profiles": ("update",),
}
# The columns that may be updated; without an entry all of them.
COLUMNS = {
    "organizations": " (name, timezone, country, region, settings, working_days, sensitivity, updated_at)",
    "profiles": " (capacity_hours_per_day, working_days, updated_at)",
}

# The metrics of the warehouse, which hub_api does not read; no row before it is built.
METRICS = """
create function app.known_metrics() returns table (metric text, dimensions text[])
language plpgsql stable security definer set search_path = '' as $$
begin
    if to_regclass('marts.dim_metric') is not null then
        return query execute 'select metric::text, dimensions::text[] from marts.dim_metric';
    end if;
end $$;
revoke execute on function app.known_metrics from public;
grant execute on function app.known_metrics to hub_api;
"""

# hub.key_expires_at: the end of the key that creates another one. An expired key is as one that is revoked.
KEYS = """
alter table app.api_keys add column expires_at timestamptz;
create or replace function app.enter_with_key(
    p_key_hash bytea, p_timeout_ms integer,
    out org_id uuid, out profile_id uuid, out role text, out scopes text[]
) returns record language plpgsql security definer set search_path = app, pg_temp as $$
declare
    expires_at timestamptz;
begin
    select k.org_id, k.profile_id, p.role, k.scopes, k.expires_at
    into enter_with_key.org_id, enter_with_key.profile_id, enter_with_key.role, enter_with_key.scopes, expires_at
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
    end if;
end $$;
create or replace function app.without_access(
    p_org_ids uuid[], p_profile_ids uuid[], p_roles text[], p_key_hashes bytea[]
)
returns setof bigint stable language sql security definer set search_path = app, pg_temp as $$
    select caller.position
    from unnest(p_org_ids, p_profile_ids, p_roles, p_key_hashes)
        with ordinality as caller (org_id, profile_id, role, key_hash, position)
    where not exists (
        select from app.profiles as p
        where p.org_id = caller.org_id and p.id = caller.profile_id and p.is_active and p.role = caller.role
    ) or caller.key_hash is not null and not exists (
        select from app.api_keys as k
        where k.key_hash = caller.key_hash and k.revoked_at is null and coalesce(k.expires_at > now(), true)
    )
$$;
"""
# Keys that would never expire again are revoked instead.
KEYS_WITHOUT_END = (
    KEYS.replace("alter table app.api_keys add column expires_at timestamptz;", "")
    .replace(" and coalesce(k.expires_at > now(), true)", "")
    .replace("perform set_config('hub.key_expires_at', coalesce(expires_at::text, ''), true);", "")
    .replace("declare\n    expires_at timestamptz;\n", "")
    .replace(", k.expires_at\n", "\n")
    .replace("enter_with_key.scopes, expires_at", "enter_with_key.scopes")
)


def upgrade() -> None:
    op.execute("alter table app.service_packages add column is_active boolean not null default true")
    for table, rights in WRITTEN_BY_ADMINS.items():
        for right in rights:
            op.execute(f"grant {right}{COLUMNS.get(table, '')} on app.{table} to hub_api")
            clause = "with check" if right == "insert" else "using"
            op.execute(
                f"create policy admins_{right} on app.{table} as restrictive for {right} to hub_api "
                f"{clause} ((select app.sees_all()))"
            )
    op.execute(METRICS)
    op.execute(KEYS)


def downgrade() -> None:
    op.execute("update app.api_keys set revoked_at = coalesce(revoked_at, now()) where expires_at is not null")
    op.execute(KEYS_WITHOUT_END)
    op.execute("alter table app.api_keys drop column expires_at")
    op.execute("drop function app.known_metrics")
    for table, rights in WRITTEN_BY_ADMINS.items():
        for right in rights:
            op.execute(f"drop policy admins_{right} on app.{table}")
            op.execute(f"revoke {right}{COLUMNS.get(table, '')} on app.{table} from hub_api")
    op.execute("alter table app.service_packages drop column is_active")
