"""Row security: the API connects as hub_api, which sees the rows of one organisation that the caller may see.

Each transaction begins with app.enter(), which looks up the caller and sets the organisation, person and role of the
transaction. The policies read these once per statement (as sub-selects), and compare leakproof types only, so that
indexes can be used.
"""

from alembic import op

revision = "0004"
down_revision = "0003"

ROLE_AND_ENTRY = """
do $$ begin
    if not exists (select from pg_roles where rolname = 'hub_api') then
        create role hub_api nologin;  -- `hub db migrate` gives it its password
    end if;
end $$;
-- Who reads the operational tables as a source (HUB_SOURCE_URL) is a member of hub_source, and sees every row.
do $$ begin
    if not exists (select from pg_roles where rolname = 'hub_source') then
        create role hub_source nologin;
    end if;
end $$;
grant usage on schema app to hub_api, hub_source;
grant select on app.tombstones to hub_source;

create function app.org_id() returns uuid stable language sql
    return nullif(current_setting('hub.org_id', true), '')::uuid;
create function app.person() returns uuid stable language sql
    return nullif(current_setting('hub.profile_id', true), '')::uuid;
create function app.sees_all() returns boolean stable language sql
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

-- The caller of an API key, by the hash of the key; last_used_at is written at most once a minute.
create function app.enter_with_key(
    p_key_hash bytea, p_timeout_ms integer,
    out org_id uuid, out profile_id uuid, out role text, out scopes text[]
) returns record language plpgsql security definer set search_path = app, pg_temp as $$
begin
    select k.org_id, k.profile_id, p.role, k.scopes
    into enter_with_key.org_id, enter_with_key.profile_id, enter_with_key.role, enter_with_key.scopes
    from app.api_keys as k join app.profiles as p on p.org_id = k.org_id and p.id = k.profile_id
    where k.key_hash = p_key_hash and k.revoked_at is null and p.is_active;
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
    end if;
end $$;

-- The Hub itself: automatic transitions, and events of a payment provider.
create function app.enter_as_system(p_org_id uuid, p_timeout_ms integer) returns void language sql
    begin atomic
        select app.set_caller(p_org_id, null, 'system', p_timeout_ms);
    end;

-- What the statements of a caller trigger is the business of the database, not of the caller.
alter function app.leave_tombstones() security definer set search_path = app, pg_temp;
alter function app.roll_up_tasks() security definer set search_path = app, pg_temp;
alter function app.roll_up_milestones() security definer set search_path = app, pg_temp;
"""

# Table -> (rights of hub_api, condition on its rows). `{t}` is the table; every policy also requires the organisation.
OWN_BOOKING = (
    "(select app.sees_all()) or exists ("
    "select 1 from app.bookings as b where b.org_id = {t}.org_id and b.id = {t}.booking_id)"
)
EVERYONE = "true"
ADMINS = "(select app.sees_all())"
PERSONAL = "(select app.sees_all()) or profile_id = (select app.person())"

POLICIES = {
    "organizations": ("select", EVERYONE),
    "profiles": (
        "select",
        "(select app.sees_all()) or id = (select app.person()) or role in ('provider', 'admin') or exists ("
        "select 1 from app.bookings as b where b.org_id = {t}.org_id and b.client_id = {t}.id)",
    ),
    "services": ("select", EVERYONE),
    "service_packages": ("select", EVERYONE),
    "service_add_ons": ("select", EVERYONE),
    "price_rules": ("select", EVERYONE),
    "bookings": (
        "select, insert, update",
        "(select app.sees_all()) or client_id = (select app.person()) or provider_id = (select app.person())",
    ),
    "booking_add_ons": ("select, insert", OWN_BOOKING),
    "booking_status_history": ("select, insert", OWN_BOOKING),
    "milestones": ("select, insert, update, delete", OWN_BOOKING),
    "tasks": ("select, insert, update, delete", OWN_BOOKING),
    "time_entries": ("select, insert, update, delete", OWN_BOOKING),
    "approvals": ("select, insert, update", OWN_BOOKING),
    "invoices": ("select, insert, update", OWN_BOOKING),
    "invoice_lines": (
        "select, insert, delete",
        "(select app.sees_all()) or exists ("
        "select 1 from app.invoices as i where i.org_id = {t}.org_id and i.id = {t}.invoice_id)",
    ),
    "payments": ("select, insert, update", OWN_BOOKING),
    "messages": ("select, insert, update", OWN_BOOKING),
    "reviews": ("select, insert", OWN_BOOKING),
    "number_series": ("select", EVERYONE),
    "payment_provider_events": ("select, insert, update", ADMINS),
    "insight_events": ("select, update", ADMINS),
    "insight_run_logs": ("select, insert", ADMINS),
    "notifications": ("select, update", "profile_id = (select app.person())"),
    "api_keys": ("select, insert, update", PERSONAL),
    "idempotency_keys": ("select, insert, update", "profile_id = (select app.person())"),
}

OPERATIONAL = (
    "organizations profiles services service_packages bookings booking_status_history milestones tasks "
    "time_entries approvals invoices invoice_lines payments messages reviews"
).split()


def upgrade() -> None:
    op.execute(ROLE_AND_ENTRY)
    op.execute("grant usage on sequence app.booking_numbers to hub_api")
    op.execute("grant select on app.alembic_version to hub_api")  # the API compares the revision with its own
    for table, (rights, whose) in POLICIES.items():
        op.execute(f"grant {rights} on app.{table} to hub_api")
        op.execute(f"alter table app.{table} enable row level security")
        mine = whose.format(t=f"app.{table}")
        op.execute(
            f"create policy caller on app.{table} to hub_api using (org_id = (select app.org_id()) and ({mine}))"
        )
    for table in OPERATIONAL:
        op.execute(f"create policy source on app.{table} for select to hub_source using (true)")
        op.execute(f"grant select on app.{table} to hub_source")


def downgrade() -> None:
    for table in OPERATIONAL:
        op.execute(f"drop policy source on app.{table}")
        op.execute(f"revoke all on app.{table} from hub_source")
    op.execute("revoke all on app.tombstones from hub_source; revoke usage on schema app from hub_source")
    for table in POLICIES:
        op.execute(f"drop policy caller on app.{table}")
        op.execute(f"alter table app.{table} disable row level security")
        op.execute(f"revoke all on app.{table} from hub_api")
    op.execute(
        """
        revoke usage on sequence app.booking_numbers from hub_api;
        revoke select on app.alembic_version from hub_api;
        revoke usage on schema app from hub_api;
        alter function app.leave_tombstones() security invoker;
        alter function app.roll_up_tasks() security invoker;
        alter function app.roll_up_milestones() security invoker;
        drop function app.enter, app.enter_with_key, app.enter_as_system, app.set_caller;
        drop function app.org_id, app.person, app.sees_all;
        """
    )
