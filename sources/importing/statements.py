"""The SQL of an import: from the staging tables into `app`, each statement about the whole file.

Parameters: org, now, mapping, file. `staged.fate` is null for the rows that go in; `known` for those that are
already there; `refused` for those that the database refuses, while `refused` (the table) says why.
"""

from typing import Final

from psycopg import sql

# The statistics may know nothing of tables that were filled a moment ago: no plan may loop over them.
STAGING: Final = """
set local enable_nestloop = off;
create temporary table staged (
    row_number bigint, row_key text primary key, {}, fate text, booking_id uuid not null default uuidv7()
) on commit drop;
create temporary table staged_events (row_key text, position integer, to_status text, changed_at timestamptz)
on commit drop;
create temporary table refused (
    row_number bigint, row_key text, field text, value text, reason text, message text
) on commit drop
"""

FIND_ORGANIZATION: Final = "select id, timezone, currency from app.organizations where slug = %(slug)s"

# An organisation, a client, a service is as old as the first booking that shows it.
INSERT_ORGANIZATION: Final = """
insert into app.organizations (id, org_id, name, slug, timezone, country, currency, created_at, updated_at)
select id, id, %(name)s, %(slug)s, %(timezone)s, %(country)s, %(currency)s,
    least(%(now)s, (select min(created_at) from staged)), %(now)s
from uuidv7() as made (id)
returning id
"""

# Made by hand or by the API, so without a reference: recognised by the name or e-mail, instead of made twice.
ADOPT_SERVICES: Final = """
update app.services as service
set external_ref = found.service_ref
from (
    select distinct on (service_name) service_name, service_ref from staged order by service_name, row_number
) as found
where service.org_id = %(org)s and service.external_ref is null and service.name = found.service_name
    and not exists (
        select from app.services as other
        where other.org_id = %(org)s and other.external_ref = found.service_ref
    )
"""
ADOPT_PROFILES: Final = """
update app.profiles as profile
set external_ref = found.ref
from (
    select distinct on (email) role, email, ref
    from (
        select 'client' as role, client_email as email, client_ref as ref, row_number from staged
        union all
        select 'provider', provider_email, provider_ref, row_number from staged
    ) as people
    where email is not null
    order by email, row_number, role
) as found
where profile.org_id = %(org)s and profile.external_ref is null
    and profile.email = found.email and profile.role = found.role
    and not exists (
        select from app.profiles as other where other.org_id = %(org)s and other.external_ref = found.ref
    )
"""

MARK_KNOWN: Final = """
update staged set fate = 'known'
from app.bookings as booking
where booking.org_id = %(org)s and booking.external_ref = staged.external_ref
"""

_CLAIM: Final = sql.SQL(
    "select row_number, row_key, {field} as field, {value} as value, {ref} as ref from staged "
    "where fate is null and {value} is not null"
)
_CLASH: Final = sql.SQL("""
with claims as ({claims}),

holders as (
    select distinct on (value) value, ref
    from (
        select {column} as value, coalesce(external_ref, id::text) as ref, 0 as row_number
        from {table}
        where org_id = %(org)s and {column} is not null
        union all
        select value, ref, row_number from claims
    ) as held
    order by value, row_number, ref
)

insert into refused
select claim.row_number, claim.row_key, claim.field, claim.value, 'belongs to another',
    format('''%%s'' already belongs to another one of %%s (%%s).', claim.value, {name}, holder.ref)
from claims as claim
inner join holders as holder on holder.value = claim.value and holder.ref <> claim.ref
""")


def _clash(table: str, column: str, claims: tuple[tuple[str, str, str], ...]) -> sql.Composed:
    """Refuse rows that claim a value which is unique in `table` and belongs to another reference there.

    `claims` are triples of the field's name, the staged column and the column of its reference.
    """
    parts = [
        _CLAIM.format(field=sql.Literal(field), value=sql.Identifier(value), ref=sql.Identifier(ref))
        for field, value, ref in claims
    ]
    return _CLASH.format(
        claims=sql.SQL(" union all ").join(parts),
        column=sql.Identifier(column),
        table=sql.Identifier("app", table),
        name=sql.Literal(table),
    )


REFUSE_CLASHES: Final = (
    _clash("bookings", "booking_number", (("booking_number", "booking_number", "external_ref"),)),
    _clash("services", "name", (("service.name", "service_name", "service_ref"),)),
    _clash(
        "profiles",
        "email",
        (("client.email", "client_email", "client_ref"), ("provider.email", "provider_email", "provider_ref")),
    ),
)
MARK_REFUSED: Final = """
update staged set fate = 'refused' from refused where refused.row_key = staged.row_key
"""

INSERT_SERVICES: Final = """
insert into app.services (
    org_id, name, category, base_price, currency, duration_hours, external_ref, created_at, updated_at
)
select distinct on (service_ref)
    %(org)s::uuid, service_name, service_category, coalesce(service_base_price, 0), currency,
    service_duration_hours, service_ref, min(created_at) over (partition by service_ref), %(now)s
from staged
where fate is null
order by service_ref, row_number
on conflict (org_id, external_ref) do nothing
"""
INSERT_PROFILES: Final = """
insert into app.profiles (
    org_id, role, full_name, email, client_group, capacity_hours_per_day, external_ref, created_at, updated_at
)
select distinct on (ref) %(org)s::uuid, role, name, email, client_group, capacity, ref,
    min(created_at) over (partition by ref), %(now)s
from (
    select 'client' as role, client_ref as ref, client_name as name, client_email as email,
        client_client_group as client_group, null::numeric as capacity, row_number, created_at
    from staged
    where fate is null
    union all
    select 'provider', provider_ref, provider_name, provider_email,
        null, provider_capacity_hours_per_day, row_number, created_at
    from staged
    where fate is null and provider_ref is not null
) as people
order by ref, row_number
on conflict (org_id, external_ref) do nothing
"""
INSERT_BOOKINGS: Final = """
insert into app.bookings (
    id, org_id, booking_number, client_id, provider_id, service_id, status, title, total_amount, currency,
    scheduled_start, scheduled_end, progress_pct, cancel_reason, cancelled_at, completed_at, external_ref,
    is_exclusive, created_at, updated_at
)
select staged.booking_id, %(org)s, staged.booking_number, client.id, provider.id, service.id,
    staged.status, staged.title, staged.total_amount, staged.currency, staged.scheduled_start, staged.scheduled_end,
    coalesce(staged.progress_pct, case staged.status when 'completed' then 100 else 0 end),
    staged.cancel_reason, staged.cancelled_at, staged.completed_at, staged.external_ref,
    false, staged.created_at, %(now)s
from staged
inner join app.profiles as client on client.org_id = %(org)s and client.external_ref = staged.client_ref
inner join app.services as service on service.org_id = %(org)s and service.external_ref = staged.service_ref
left join app.profiles as provider on provider.org_id = %(org)s and provider.external_ref = staged.provider_ref
where staged.fate is null
order by staged.created_at, staged.row_number
"""
# Equal times keep the order of the mapping; a status that does not change is no event.
INSERT_HISTORY: Final = """
with chained as (
    select event.*, staged.booking_id,
        lag(event.to_status) over (
            partition by event.row_key order by event.changed_at, event.position
        ) as from_status
    from staged_events as event
    inner join staged on staged.row_key = event.row_key
    where staged.fate is null
)

insert into app.booking_status_history (
    org_id, booking_id, from_status, to_status, changed_at, created_at, updated_at
)
select %(org)s, booking_id, from_status, to_status, changed_at, %(now)s, %(now)s
from chained
where from_status is distinct from to_status
order by changed_at, row_key, position
"""

# A row that has gone in since, or is refused for another reason now, leaves no stale sentence behind.
FORGET_REJECTIONS: Final = """
delete from app.import_rejections as old
using (select row_key from staged union select row_key from refused) as here
where old.org_id = %(org)s and old.mapping = %(mapping)s and old.row_key = here.row_key
    and not exists (
        select from refused
        where refused.row_key = old.row_key and refused.field = old.field and refused.message = old.message
    )
"""
INSERT_REJECTIONS: Final = """
insert into app.import_rejections (
    org_id, mapping, file_name, row_number, row_key, field, value, message, created_at, updated_at
)
select %(org)s, %(mapping)s, %(file)s, row_number, row_key, field, value, message, %(now)s, %(now)s
from refused
on conflict (org_id, mapping, row_key, field) do nothing
"""

COUNT_REASONS: Final = "select field || ': ' || reason, count(*) from refused group by 1 order by 2 desc, 1"
FIRST_REJECTIONS: Final = """
select row_number, row_key, field, value, reason, message from refused order by row_number, field limit %(first)s
"""
COUNT_FATES: Final = """
select count(*) filter (where fate = 'known'), (select count(distinct row_key) from refused) from staged
"""
