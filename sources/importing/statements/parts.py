"""Services and people: what all rows say of each, together, and which of them cannot be.

A record of its own says more than a booking, a later booking more than an earlier one. Parameters: org, now,
names_lines and names_providers (whether a line or hours name what they refer to).
"""

from typing import Final, LiteralString

_MERGED_SERVICES: Final = """
create temporary table merged_service on commit drop as
with mention as (
    select service_ref as external_ref, service_name as name, service_category as category,
        service_base_price as base_price, service_duration_hours as duration_hours, false as is_own,
        max(created_at) as latest, min(created_at) as earliest, min(position) as position,
        max(position) as last_position
    from staged_booking
    where service_ref is not null
    group by 1, 2, 3, 4, 5
    union all
    select external_ref, name, category, base_price, duration_hours, true, null, null, position, position
    from staged_service
    union all
    select service_ref, case when %(names_lines)s then substr(service_ref, length('service:') + 1) end,
        null, null, null, false, null, null, min(position), max(position)
    from staged_line
    where service_ref is not null
    group by 1, 2
)

select external_ref, {latest}, least(min(earliest), %(now)s) as created_at, min(position) as position
from mention
group by external_ref
"""
_MERGED_PEOPLE: Final = """
create temporary table merged_person on commit drop as
with mention as (
    select 'client' as role, client_ref as external_ref, client_name as full_name, client_email as email,
        client_client_group as client_group, null::numeric as capacity_hours_per_day, false as is_own,
        max(created_at) as latest, min(created_at) as earliest, min(position) as position,
        max(position) as last_position
    from staged_booking
    group by 1, 2, 3, 4, 5
    union all
    select 'client', external_ref, name, email, client_group, null, true, null, null, position, position
    from staged_client
    union all
    select 'provider', provider_ref, provider_name, provider_email, null, provider_capacity_hours_per_day, false,
        max(created_at), min(created_at), min(position), max(position)
    from staged_booking
    where provider_ref is not null
    group by 1, 2, 3, 4, 5, 6
    union all
    select 'provider', external_ref, name, email, null, capacity_hours_per_day, true, null, null, position, position
    from staged_provider
    union all
    select 'provider', provider_ref, case when %(names_providers)s
        then substr(provider_ref, length('provider:') + 1) end,
        null, null, null, false, null, null, min(position), max(position)
    from (
        select provider_ref, position from staged_line union all select provider_ref, position from staged_hours
    ) as mentioned
    where provider_ref is not null
    group by 2, 3
)

select role, external_ref, {latest}, least(min(earliest), %(now)s) as created_at, min(position) as position
from mention
group by role, external_ref
"""
MERGED: Final[dict[LiteralString, tuple[str, ...]]] = {
    _MERGED_SERVICES: ("name", "category", "base_price", "duration_hours"),
    _MERGED_PEOPLE: ("full_name", "email", "client_group", "capacity_hours_per_day"),
}
LATEST: Final = """
(array_agg({0} order by is_own desc, latest desc nulls last, last_position desc) filter (where {0} is not null))[1]
    as {0}
"""

# Made by hand or by the API, so without a reference: recognised by the name or e-mail, instead of made twice.
ADOPT: Final = (
    """
update app.services as service
set external_ref = merged.external_ref
from (select distinct on (name) name, external_ref from merged_service order by name, position) as merged
where service.org_id = %(org)s and service.external_ref is null and service.name = merged.name
    and not exists (
        select from app.services as other
        where other.org_id = %(org)s and other.external_ref = merged.external_ref
    )
""",
    """
update app.profiles as profile
set external_ref = merged.external_ref
from (select distinct on (email) role, email, external_ref from merged_person order by email, position, role) as merged
where profile.org_id = %(org)s and profile.external_ref is null
    and profile.email = merged.email and profile.role = merged.role
    and not exists (
        select from app.profiles as other where other.org_id = %(org)s and other.external_ref = merged.external_ref
    )
""",
)

# Two services of one name, and two people with one e-mail address, are told apart where something else identifies them:
# each statement with what is said about it.
TELL_APART: Final[dict[LiteralString, str]] = {
    """
update merged_service as merged
set name = format('%%s (%%s)', merged.name, substr(merged.external_ref, length('service:') + 1))
from (
    select name, external_ref from app.services where org_id = %(org)s
    union all
    (
        select distinct on (name) name, external_ref from merged_service
        where name is not null
        order by name, position
    )
) as known
where known.name = merged.name and known.external_ref is distinct from merged.external_ref
    and merged.external_ref <> 'service:' || merged.name
""": "A service has the name of another, so its reference stands behind its name",
    """
update merged_person as merged
set email = null
from (
    select email, role, external_ref from app.profiles where org_id = %(org)s
    union all
    (
        select distinct on (email) email, role, external_ref from merged_person
        where email is not null
        order by email, position, role
    )
) as known
where known.email = merged.email and known.external_ref is distinct from merged.external_ref
    and (known.role <> merged.role or merged.external_ref <> merged.role || ':' || merged.email)
""": "An e-mail address that another person has is left out",
}

# Why a service or a person cannot be; the rows that refer to it are refused for that reason.
FAULTY_PARTS: Final = """
create temporary table faulty on commit drop as
select 'service' as part, merged.external_ref, 'name' as field,
    substr(merged.external_ref, length('service:') + 1) as value,
    'not described' as reason,
    format('The service ''%%s'' has no name in any of the files, and is not in the Hub.',
        substr(merged.external_ref, length('service:') + 1)) as message
from merged_service as merged
where merged.name is null and not exists (
    select from app.services as known where known.org_id = %(org)s and known.external_ref = merged.external_ref
)
union all
select merged.role, merged.external_ref, 'name', substr(merged.external_ref, length(merged.role) + 2), 'not described',
    format('The %%s ''%%s'' has no name in any of the files, and is not in the Hub.',
        merged.role, substr(merged.external_ref, length(merged.role) + 2))
from merged_person as merged
where merged.full_name is null and not exists (
    select from app.profiles as known where known.org_id = %(org)s and known.external_ref = merged.external_ref
)
union all
select 'service', merged.external_ref, 'name', merged.name, 'belongs to another',
    format('''%%s'' already belongs to another one of services (%%s).',
        merged.name, coalesce(known.external_ref, known.ref))
from merged_service as merged
inner join (
    select name, external_ref, id::text as ref from app.services where org_id = %(org)s
    union all
    (
        select distinct on (name) name, external_ref, null from merged_service
        where name is not null
        order by name, position
    )
) as known on known.name = merged.name and known.external_ref is distinct from merged.external_ref
union all
select merged.role, merged.external_ref, 'email', merged.email, 'belongs to another',
    format('''%%s'' already belongs to another one of profiles (%%s).',
        merged.email, coalesce(known.external_ref, known.ref))
from merged_person as merged
inner join (
    select email, external_ref, id::text as ref from app.profiles where org_id = %(org)s
    union all
    (
        select distinct on (email) email, external_ref, null from merged_person
        where email is not null
        order by email, position, role
    )
) as known on known.email = merged.email and known.external_ref is distinct from merged.external_ref
"""
# Which staged column refers to which part.
REFERENCES_TO_PARTS: Final = (
    ("booking", "service", "service_ref"),
    ("booking", "client", "client_ref"),
    ("booking", "provider", "provider_ref"),
    ("line", "service", "service_ref"),
    ("line", "provider", "provider_ref"),
    ("hours", "provider", "provider_ref"),
    ("service", "service", "external_ref"),
    ("client", "client", "external_ref"),
    ("provider", "provider", "external_ref"),
)
FORGET_FAULTY: Final[tuple[LiteralString, ...]] = (
    "delete from merged_service as merged using faulty where faulty.external_ref = merged.external_ref",
    "delete from merged_person as merged using faulty where faulty.external_ref = merged.external_ref",
)
