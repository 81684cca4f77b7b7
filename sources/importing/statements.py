"""The SQL of an import: from the staging tables to what take_over compares, each statement about the whole import.

Parameters: org, now, mapping, capacity (the organisation's), names_lines (whether a line names its service). A row that
the database refuses leaves its staging table, and `refused` says why.
"""

from typing import Final, LiteralString

from sources.importing.take_over import Target

FIND_ORGANIZATION: Final = "select id, timezone, currency from app.organizations where slug = %(slug)s"
# An organisation, a client, a service is as old as the first booking that shows it.
INSERT_ORGANIZATION: Final = """
insert into app.organizations (id, org_id, name, slug, timezone, country, currency, created_at, updated_at)
select id, id, %(name)s, %(slug)s, %(timezone)s, %(country)s, %(currency)s,
    least(%(now)s, (select min(created_at) from staged_booking)), %(now)s
from uuidv7() as made (id)
returning id
"""

# --- services and people: what all rows say of one, together ----------------------------------------
# A record of its own says more than a booking, a later booking more than an earlier one.

_SAID_SERVICES: Final = """
create temporary table said_service on commit drop as
with said as (
    select service_ref as external_ref, service_name as name, service_category as category,
        service_base_price as base_price, service_duration_hours as duration_hours, false as is_own,
        max(created_at) as latest, min(created_at) as earliest, min(position) as position, max(position) as last_position
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
from said
group by external_ref
"""
_SAID_PEOPLE: Final = """
create temporary table said_person on commit drop as
with said as (
    select 'client' as role, client_ref as external_ref, client_name as full_name, client_email as email,
        client_client_group as client_group, null::numeric as capacity_hours_per_day, false as is_own,
        max(created_at) as latest, min(created_at) as earliest, min(position) as position, max(position) as last_position
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
    select 'provider', provider_ref, case when %(names_providers)s then substr(provider_ref, length('provider:') + 1) end,
        null, null, null, false, null, null, min(position), max(position)
    from (
        select provider_ref, position from staged_line union all select provider_ref, position from staged_hours
    ) as mentioned
    where provider_ref is not null
    group by 2, 3
)

select role, external_ref, {latest}, least(min(earliest), %(now)s) as created_at, min(position) as position
from said
group by role, external_ref
"""
SAID: Final[dict[LiteralString, tuple[str, ...]]] = {
    _SAID_SERVICES: ("name", "category", "base_price", "duration_hours"),
    _SAID_PEOPLE: ("full_name", "email", "client_group", "capacity_hours_per_day"),
}
LATEST: Final = (
    "(array_agg({0} order by is_own desc, latest desc nulls last, last_position desc) filter (where {0} is not null))[1]"
    " as {0}"
)

# Made by hand or by the API, so without a reference: recognised by the name or e-mail, instead of made twice.
ADOPT: Final = (
    """
update app.services as service
set external_ref = said.external_ref
from (select distinct on (name) name, external_ref from said_service order by name, position) as said
where service.org_id = %(org)s and service.external_ref is null and service.name = said.name
    and not exists (
        select from app.services as other
        where other.org_id = %(org)s and other.external_ref = said.external_ref
    )
""",
    """
update app.profiles as profile
set external_ref = said.external_ref
from (select distinct on (email) role, email, external_ref from said_person order by email, position, role) as said
where profile.org_id = %(org)s and profile.external_ref is null
    and profile.email = said.email and profile.role = said.role
    and not exists (
        select from app.profiles as other where other.org_id = %(org)s and other.external_ref = said.external_ref
    )
""",
)

# Why a service or a person cannot be; the rows that refer to it are refused for that reason.
FAULTY_PARTS: Final = """
create temporary table faulty on commit drop as
select 'service' as part, said.external_ref, 'name' as field, substr(said.external_ref, length('service:') + 1) as value,
    'not described' as reason,
    format('The service ''%%s'' has no name in any of the files, and is not in the Hub.',
        substr(said.external_ref, length('service:') + 1)) as message
from said_service as said
where said.name is null and not exists (
    select from app.services as known where known.org_id = %(org)s and known.external_ref = said.external_ref
)
union all
select said.role, said.external_ref, 'name', substr(said.external_ref, length(said.role) + 2), 'not described',
    format('The %%s ''%%s'' has no name in any of the files, and is not in the Hub.',
        said.role, substr(said.external_ref, length(said.role) + 2))
from said_person as said
where said.full_name is null and not exists (
    select from app.profiles as known where known.org_id = %(org)s and known.external_ref = said.external_ref
)
union all
select 'service', said.external_ref, 'name', said.name, 'belongs to another',
    format('''%%s'' already belongs to another one of services (%%s).', said.name, coalesce(known.external_ref, known.ref))
from said_service as said
inner join (
    select name, external_ref, id::text as ref from app.services where org_id = %(org)s
    union all
    (
        select distinct on (name) name, external_ref, null from said_service
        where name is not null
        order by name, position
    )
) as known on known.name = said.name and known.external_ref is distinct from said.external_ref
union all
select said.role, said.external_ref, 'email', said.email, 'belongs to another',
    format('''%%s'' already belongs to another one of profiles (%%s).', said.email, coalesce(known.external_ref, known.ref))
from said_person as said
inner join (
    select email, external_ref, id::text as ref from app.profiles where org_id = %(org)s
    union all
    (
        select distinct on (email) email, external_ref, null from said_person
        where email is not null
        order by email, position, role
    )
) as known on known.email = said.email and known.external_ref is distinct from said.external_ref
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
REFUSE_FAULTY: Final = """
insert into refused
select staged.position, staged.file, staged.row_number, staged.row_key, staged.external_ref, {kind},
    faulty.part || '.' || faulty.field, faulty.value, faulty.reason, faulty.message
from {staged} as staged
inner join faulty on faulty.external_ref = staged.{reference} and faulty.part = {part}
"""
FORGET_FAULTY: Final[tuple[LiteralString, ...]] = (
    "delete from said_service as said using faulty where faulty.external_ref = said.external_ref",
    "delete from said_person as said using faulty where faulty.external_ref = said.external_ref",
)

# --- refusing rows ----------------------------------------------------------------------------------

REFUSE_REPEATED_KEYS: Final = """
with repeated as (select external_ref from {staged} group by external_ref having count(*) > 1)

insert into refused
select position, file, row_number, row_key, external_ref, {kind}, 'key', external_ref, 'key is not unique',
    format('The key ''%%s'' is already that of the row on line %%s%%s.', external_ref, first_row,
        case when first_file <> file then ' of ' || first_file else '' end)
from (
    select staged.*, row_number() over rows_of_key as nth, first_value(row_number) over rows_of_key as first_row,
        first_value(file) over rows_of_key as first_file
    from {staged} as staged
    inner join repeated on repeated.external_ref = staged.external_ref
    window rows_of_key as (partition by staged.external_ref order by staged.position)
) as numbered
where nth > 1
"""
DROP_REFUSED: Final = """
delete from {staged} as staged using refused where refused.position = staged.position and refused.kind = {kind}
"""
_REFUSE: Final = """
insert into refused
select staged.position, staged.file, staged.row_number, staged.row_key, staged.external_ref, """
_NOT_IN_THE_HUB: Final = """format(
        case when exists (select from refused where refused.kind = 'booking' and refused.external_ref = staged.booking)
            then 'The row of the booking ''%%s'' was rejected.'
            else 'The booking ''%%s'' is in none of the files, and not in the Hub.' end,
        staged.booking)"""


def _unknown_booking(kind: LiteralString) -> LiteralString:
    return (
        _REFUSE
        + f"""'{kind}', '{kind}.booking', staged.booking, 'unknown booking', {_NOT_IN_THE_HUB}
from staged_{kind} as staged
where staged.booking is not null and not exists (
    select from app.bookings as booking where booking.org_id = %(org)s and booking.external_ref = staged.booking
)
"""
    )


# For each kind, in order, what refuses its rows once everything that it refers to is in the Hub.
REFUSALS: Final[dict[str, tuple[LiteralString, ...]]] = {
    "booking": (
        _REFUSE
        + """'booking', 'booking_number', staged.booking_number, 'belongs to another',
    format('''%%s'' already belongs to another one of bookings (%%s).', staged.booking_number,
        coalesce(known.external_ref, 'made in the Hub'))
from staged_booking as staged
inner join app.bookings as known on known.org_id = %(org)s and known.booking_number = staged.booking_number
    and known.external_ref is distinct from staged.external_ref
""",
        _REFUSE
        + """'booking', 'booking_number', staged.booking_number, 'belongs to another',
    format('''%%s'' already belongs to another one of bookings (line %%s).', staged.booking_number, first_row)
from (
    select staged_booking.*, first_value(row_number) over rows_of_number as first_row,
        row_number() over rows_of_number as nth
    from staged_booking
    where booking_number in (select booking_number from staged_booking group by booking_number having count(*) > 1)
    window rows_of_number as (partition by booking_number order by position)
) as staged
where nth > 1
""",
        _REFUSE
        + """'booking', missing.field, null, 'required', missing.message
from staged_booking as staged
left join app.bookings as known on known.org_id = %(org)s and known.external_ref = staged.external_ref
cross join lateral (
    select 'service.name' as field, 'service.name is empty, but every row needs it.' as message
    where staged.service_ref is null and known.id is null and not exists (
        select from staged_line as line where line.booking = staged.external_ref and line.service_ref is not null
    )
    union all
    select 'total_amount', 'total_amount is empty, but every row needs it.'
    where staged.total_amount is null and known.id is null and not exists (
        select from staged_line as line where line.booking = staged.external_ref
    )
) as missing
where staged.service_ref is null or staged.total_amount is null
""",
    ),
    "line": (_unknown_booking("line"),),
    "invoice": (
        _unknown_booking("invoice"),
        _REFUSE
        + """'invoice', 'invoice.number', staged.number, 'belongs to another',
    format('''%%s'' is already the number of another invoice.', staged.number)
from (
    select staged_invoice.*, row_number() over (partition by number order by position) as nth from staged_invoice
) as staged
where nth > 1 or exists (
    select from app.invoices as known where known.org_id = %(org)s and known.invoice_number = staged.number
        and known.external_ref is distinct from staged.external_ref
)
""",
    ),
    "payment": (
        _unknown_booking("payment"),
        _REFUSE
        + """'payment', 'payment.invoice', staged.invoice, 'unknown invoice',
    format('The invoice ''%%s'' is in none of the files, and not in the Hub.', staged.invoice)
from staged_payment as staged
where staged.invoice is not null and not exists (
    select from app.invoices as invoice where invoice.org_id = %(org)s and invoice.invoice_number = staged.invoice
)
""",
        _REFUSE
        + """'payment', 'payment.booking', null, 'required', 'The row names neither a booking nor an invoice.'
from staged_payment as staged
where staged.invoice is null and staged.booking is null
""",
    ),
    "review": (
        _unknown_booking("review"),
        _REFUSE
        + """'review', 'review.booking', staged.booking, 'reviewed already',
    format('The booking ''%%s'' has a review already; the Hub keeps one of each booking.', staged.booking)
from (
    select staged_review.*, row_number() over (partition by booking order by reviewed_at desc, position) as nth
    from staged_review
) as staged
where nth > 1 or exists (
    select from app.reviews as known
    inner join app.bookings as booking on booking.org_id = known.org_id and booking.id = known.booking_id
    where known.org_id = %(org)s and booking.external_ref = staged.booking
        and known.external_ref is distinct from staged.external_ref
)
""",
    ),
    "hours": (
        _unknown_booking("hours"),
        _REFUSE
        + """'hours', 'hours.provider', null, 'required', 'The row names no provider, and its booking has none.'
from staged_hours as staged
inner join app.bookings as booking on booking.org_id = %(org)s and booking.external_ref = staged.booking
where staged.provider_ref is null and booking.provider_id is null
""",
    ),
}

# --- what goes where, in the order of the references -------------------------------------------------

TARGETS: Final = (
    Target(
        "service",
        "services",
        """
select said.external_ref, said.position, said.name, said.category, said.base_price, %(currency)s as currency,
    said.duration_hours, said.created_at
from said_service as said
""",
        ("name", "category", "base_price", "currency", "duration_hours"),
        defaults={"base_price": "0"},
        only_new=("created_at",),
    ),
    Target(
        "client",
        "profiles",
        """
select external_ref, position, role, full_name, email, client_group, created_at from said_person where role = 'client'
""",
        ("role", "full_name", "email", "client_group"),
        only_new=("created_at",),
    ),
    Target(
        "provider",
        "profiles",
        """
select external_ref, position, role, full_name, email,
    coalesce(capacity_hours_per_day, %(capacity)s) as capacity_hours_per_day, created_at
from said_person
where role = 'provider'
""",
        ("role", "full_name", "email", "capacity_hours_per_day"),
        only_new=("created_at",),
    ),
    # The main service of a booking of several is the one with the largest amount; their sum is the total.
    Target(
        "booking",
        "bookings",
        """
select staged.external_ref, staged.position, staged.booking_number, client.id as client_id, provider.id as provider_id,
    service.id as service_id, staged.status, coalesce(staged.title, service.name) as title,
    coalesce(staged.total_amount, sum_of_lines.amount) as total_amount, staged.currency, staged.scheduled_start,
    staged.scheduled_end,
    coalesce(staged.progress_pct, case staged.status when 'completed' then 100 end) as progress_pct,
    staged.cancel_reason, staged.cancelled_at, staged.completed_at,
    case when staged.created_at_known then staged.created_at end as created_at, staged.created_at_known,
    staged.created_at as earliest_known, staged.history, false as is_exclusive
from staged_booking as staged
left join (
    select distinct on (booking) booking, service_ref from staged_line
    where service_ref is not null
    order by booking, amount desc, position
) as main_service on main_service.booking = staged.external_ref
left join (
    select distinct on (booking) booking, provider_ref from staged_line
    where provider_ref is not null
    order by booking, amount desc, position
) as main_provider on main_provider.booking = staged.external_ref
left join (select booking, sum(amount) as amount from staged_line group by booking) as sum_of_lines
    on sum_of_lines.booking = staged.external_ref
inner join app.profiles as client on client.org_id = %(org)s and client.external_ref = staged.client_ref
left join app.services as service on service.org_id = %(org)s
    and service.external_ref = coalesce(staged.service_ref, main_service.service_ref)
left join app.profiles as provider on provider.org_id = %(org)s
    and provider.external_ref = coalesce(staged.provider_ref, main_provider.provider_ref)
""",
        (
            "booking_number",
            "client_id",
            "provider_id",
            "service_id",
            "status",
            "title",
            "total_amount",
            "currency",
            "scheduled_start",
            "scheduled_end",
            "progress_pct",
            "cancel_reason",
            "cancelled_at",
            "completed_at",
            "created_at",
            "created_at_known",
        ),
        defaults={"progress_pct": "0", "created_at": "source.earliest_known"},
        only_new=("is_exclusive",),
        extra=("history",),
        order="created_at, position",
    ),
    Target(
        "line",
        "booking_lines",
        """
select staged.external_ref, staged.position, booking.id as booking_id, service.id as service_id,
    provider.id as provider_id, coalesce(staged.description, service.name) as description, staged.quantity,
    staged.unit_price, staged.amount
from staged_line as staged
inner join app.bookings as booking on booking.org_id = %(org)s and booking.external_ref = staged.booking
left join app.services as service on service.org_id = %(org)s and service.external_ref = staged.service_ref
left join app.profiles as provider on provider.org_id = %(org)s and provider.external_ref = staged.provider_ref
""",
        ("booking_id", "service_id", "provider_id", "description", "quantity", "unit_price", "amount"),
    ),
    Target(
        "invoice",
        "invoices",
        """
select staged.external_ref, staged.position, booking.id as booking_id, booking.client_id,
    staged.number as invoice_number, staged.status, staged.amount as total_amount, staged.currency, staged.issued_at,
    staged.due_at, coalesce(staged.issued_at, booking.created_at) as created_at
from staged_invoice as staged
inner join app.bookings as booking on booking.org_id = %(org)s and booking.external_ref = staged.booking
""",
        ("booking_id", "client_id", "invoice_number", "status", "total_amount", "currency", "issued_at", "due_at"),
        only_new=("created_at",),
    ),
    Target(
        "payment",
        "payments",
        """
select staged.external_ref, staged.position, coalesce(booking.id, invoice.booking_id) as booking_id,
    invoice.id as invoice_id, staged.kind, staged.status, staged.amount, staged.currency, staged.method, staged.paid_at,
    coalesce(staged.paid_at, booking.created_at, %(now)s) as created_at
from staged_payment as staged
left join app.bookings as booking on booking.org_id = %(org)s and booking.external_ref = staged.booking
left join app.invoices as invoice on invoice.org_id = %(org)s and invoice.invoice_number = staged.invoice
""",
        ("booking_id", "invoice_id", "kind", "status", "amount", "currency", "method", "paid_at"),
        only_new=("created_at",),
    ),
    Target(
        "review",
        "reviews",
        """
select staged.external_ref, staged.position, booking.id as booking_id, booking.client_id, booking.provider_id,
    staged.rating, staged.comment, staged.reviewed_at, staged.reviewed_at as created_at
from staged_review as staged
inner join app.bookings as booking on booking.org_id = %(org)s and booking.external_ref = staged.booking
""",
        ("booking_id", "client_id", "provider_id", "rating", "comment", "reviewed_at"),
        only_new=("created_at",),
    ),
    Target(
        "hours",
        "time_entries",
        """
select staged.external_ref, staged.position, booking.id as booking_id,
    coalesce(provider.id, booking.provider_id) as provider_id, staged.started_at, staged.ended_at, staged.note,
    false as is_exclusive, staged.started_at as created_at
from staged_hours as staged
inner join app.bookings as booking on booking.org_id = %(org)s and booking.external_ref = staged.booking
left join app.profiles as provider on provider.org_id = %(org)s and provider.external_ref = staged.provider_ref
""",
        ("booking_id", "provider_id", "started_at", "ended_at", "note"),
        only_new=("is_exclusive", "created_at"),
    ),
)

# --- the history of bookings ------------------------------------------------------------------------
# `history` is a chain such as requested=2025-03-01T00:00:00+00:00;cancelled=? where nobody knows when it was cancelled.
# Such a status stands where the agreed start has come, or else right after the one before.

_CHAIN: Final = """
select booking_id, position, booked_at, nth, is_last, from_status, to_status, dated is not null as changed_at_known,
    coalesce(
        dated, greatest(coalesce(before, booked_at), least(%(now)s, coalesce(scheduled_start, before, booked_at)))
    ) as changed_at
from (
    select candidate.id as booking_id, candidate.position, candidate.created_at as booked_at, candidate.scheduled_start,
        nth, nth = cardinality(parts) as is_last, split_part(parts[nth - 1], '=', 1) as from_status,
        split_part(parts[nth], '=', 1) as to_status,
        nullif(split_part(parts[nth], '=', 2), '?')::timestamptz as dated,
        nullif(split_part(parts[nth - 1], '=', 2), '?')::timestamptz as before
    from (select *, string_to_array(history, ';') as parts from candidate_booking where fate = {fate}) as candidate
    cross join lateral generate_series(1, cardinality(parts)) as nth
) as step
"""
INSERT_HISTORY: Final = (
    "insert into app.booking_status_history (\n"
    "    org_id, booking_id, from_status, to_status, changed_at, changed_at_known, created_at, updated_at\n"
    ")\n"
    "select %(org)s, booking_id, from_status, to_status, changed_at, changed_at_known, %(now)s, %(now)s\n"
    "from (" + _CHAIN.replace("{fate}", "'new'") + ") as chain order by booked_at, position, nth"
)
# Of a booking that changed: what was recorded stays. A status that the file dates anew is moved, a new one is added.
_SAID_AND_RECORDED: Final = (
    """
create temporary table said_event on commit drop as
with said as (
    select chain.*, row_number() over (partition by booking_id, to_status order by nth) as occurrence
    from ("""
    + _CHAIN.replace("{fate}", "'changed'")
    + """) as chain
),

recorded as (
    select id, booking_id, to_status, changed_at, row_number() over (
        partition by booking_id, to_status order by changed_at, id
    ) as occurrence
    from app.booking_status_history
    where org_id = %(org)s and booking_id in (select id from candidate_booking where fate = 'changed')
)

select said.*, recorded.id as event_id from said left join recorded using (booking_id, to_status, occurrence)
"""
)
MERGE_HISTORY: Final = (
    _SAID_AND_RECORDED,
    """
update app.booking_status_history as event
set changed_at = said.changed_at, changed_at_known = said.changed_at_known
from said_event as said
where event.org_id = %(org)s and event.id = said.event_id
    and (event.changed_at, event.changed_at_known) is distinct from (said.changed_at, said.changed_at_known)
    and (said.changed_at_known or event.changed_at_known)
""",
    # Before its last event a booking may gain any; its last one comes after all that is recorded.
    """
insert into app.booking_status_history (
    org_id, booking_id, to_status, changed_at, changed_at_known, created_at, updated_at
)
select %(org)s, booking_id, to_status, changed_at, changed_at_known, %(now)s, %(now)s
from said_event
where event_id is null and not is_last
order by booking_id, nth
""",
    # The status that a booking has now came after what is recorded. Where the file gives it no later moment than that,
    # it is the moment of its end, or nobody knows it.
    """
insert into app.booking_status_history (
    org_id, booking_id, to_status, changed_at, changed_at_known, created_at, updated_at
)
select %(org)s, booking.id, booking.status,
    case
        when said.event_id is null and said.changed_at > last.changed_at then said.changed_at
        when said.event_id is null and said.changed_at = ended.at then last.changed_at
        else greatest(last.changed_at, least(%(now)s, coalesce(booking.scheduled_start, %(now)s)))
    end,
    coalesce(
        said.event_id is null and said.changed_at_known and (said.changed_at > last.changed_at or said.changed_at = ended.at),
        false
    ),
    %(now)s, %(now)s
from candidate_booking as candidate
inner join app.bookings as booking on booking.org_id = %(org)s and booking.id = candidate.id
inner join said_event as said on said.booking_id = booking.id and said.is_last
cross join lateral (select coalesce(booking.completed_at, booking.cancelled_at) as at) as ended
cross join lateral (
    select event.to_status, event.changed_at from app.booking_status_history as event
    where event.org_id = %(org)s and event.booking_id = booking.id
    order by event.changed_at desc, event.id desc
    limit 1
) as last
where candidate.fate = 'changed' and last.to_status <> booking.status
""",
    """
update app.booking_status_history as event
set from_status = chain.from_status
from (
    select id, lag(to_status) over (partition by booking_id order by changed_at, id) as from_status
    from app.booking_status_history
    where org_id = %(org)s and booking_id in (select id from candidate_booking where fate = 'changed')
) as chain
where event.org_id = %(org)s and event.id = chain.id and event.from_status is distinct from chain.from_status
""",
)

# --- rejections -------------------------------------------------------------------------------------

# A row that has gone in since, or is refused for another reason now, leaves no stale sentence behind.
FORGET_REJECTIONS: Final = """
delete from app.import_rejections as old
where old.org_id = %(org)s and old.mapping = %(mapping)s
    and (old.file_name = any(%(files)s) or exists (
        select from app.import_records as taken
        where taken.org_id = %(org)s and taken.mapping = %(mapping)s and taken.kind = old.kind
            and taken.external_ref = old.external_ref
    ))
    and not exists (
        select from refused
        where refused.row_key = old.row_key and refused.field = old.field and refused.message = old.message
    )
"""
INSERT_REJECTIONS: Final = """
insert into app.import_rejections (
    org_id, mapping, kind, external_ref, file_name, row_number, row_key, field, value, message, created_at, updated_at
)
select %(org)s, %(mapping)s, kind, external_ref, refused.file, row_number, coalesce(row_key, 'line ' || row_number),
    field, value, message, %(now)s, %(now)s
from refused
on conflict (org_id, mapping, row_key, field) do nothing
"""
