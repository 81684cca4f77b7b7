"""The history of bookings: written for new ones, and carried on for those that changed.

`history` of a booking is a chain such as requested=2025-03-01T00:00:00+00:00;cancelled=? where nobody knows when it was
cancelled. Such a status stands where the agreed start has come, or else right after the one before.
Parameters: org, now.
"""

from typing import Final

from psycopg import sql

_CHAIN: Final = sql.SQL("""
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
""")
INSERT_HISTORY: Final = sql.SQL("""
insert into app.booking_status_history (
    org_id, booking_id, from_status, to_status, changed_at, changed_at_known, created_at, updated_at
)
select %(org)s, booking_id, from_status, to_status, changed_at, changed_at_known, %(now)s, %(now)s
from ({chain}) as chain
order by booked_at, position, nth
""").format(chain=_CHAIN.format(fate=sql.Literal("new")))

# Of a booking that changed: what was recorded stays. A status that the file dates anew is moved, a new one is added.
_STATED: Final = sql.SQL("""
create temporary table stated_event on commit drop as
with stated as (
    select chain.*, row_number() over (partition by booking_id, to_status order by nth) as occurrence
    from ({chain}) as chain
),

recorded as (
    select id, booking_id, to_status, changed_at, row_number() over (
        partition by booking_id, to_status order by changed_at, id
    ) as occurrence
    from app.booking_status_history
    where org_id = %(org)s and booking_id in (select id from candidate_booking where fate = 'changed')
)

select stated.*, recorded.id as event_id from stated left join recorded using (booking_id, to_status, occurrence)
""").format(chain=_CHAIN.format(fate=sql.Literal("changed")))
MERGE_HISTORY: Final = (
    _STATED,
    sql.SQL("""
update app.booking_status_history as event
set changed_at = stated.changed_at, changed_at_known = stated.changed_at_known
from stated_event as stated
where event.org_id = %(org)s and event.id = stated.event_id
    and (event.changed_at, event.changed_at_known) is distinct from (stated.changed_at, stated.changed_at_known)
    and (stated.changed_at_known or event.changed_at_known)
"""),
    # Before its last event a booking may gain any; its last one comes after all that is recorded.
    sql.SQL("""
insert into app.booking_status_history (
    org_id, booking_id, to_status, changed_at, changed_at_known, created_at, updated_at
)
select %(org)s, booking_id, to_status, changed_at, changed_at_known, %(now)s, %(now)s
from stated_event
where event_id is null and not is_last
order by booking_id, nth
"""),
    # The status that a booking has now came after what is recorded. Where the file gives it no later moment than that,
    # it is the moment of its end, or nobody knows it.
    sql.SQL("""
insert into app.booking_status_history (
    org_id, booking_id, to_status, changed_at, changed_at_known, created_at, updated_at
)
select %(org)s, booking.id, booking.status,
    case
        when stated.event_id is null and stated.changed_at > last.changed_at then stated.changed_at
        when stated.event_id is null and stated.changed_at = ended.at then last.changed_at
        else greatest(last.changed_at, least(%(now)s, coalesce(booking.scheduled_start, %(now)s)))
    end,
    coalesce(
        stated.event_id is null and stated.changed_at_known
        and (stated.changed_at > last.changed_at or stated.changed_at = ended.at),
        false
    ),
    %(now)s, %(now)s
from candidate_booking as candidate
inner join app.bookings as booking on booking.org_id = %(org)s and booking.id = candidate.id
inner join stated_event as stated on stated.booking_id = booking.id and stated.is_last
cross join lateral (select coalesce(booking.completed_at, booking.cancelled_at) as at) as ended
cross join lateral (
    select event.to_status, event.changed_at from app.booking_status_history as event
    where event.org_id = %(org)s and event.booking_id = booking.id
    order by event.changed_at desc, event.id desc
    limit 1
) as last
where candidate.fate = 'changed' and last.to_status <> booking.status
"""),
    sql.SQL("""
update app.booking_status_history as event
set from_status = chain.from_status
from (
    select id, lag(to_status) over (partition by booking_id order by changed_at, id) as from_status
    from app.booking_status_history
    where org_id = %(org)s and booking_id in (select id from candidate_booking where fate = 'changed')
) as chain
where event.org_id = %(org)s and event.id = chain.id and event.from_status is distinct from chain.from_status
"""),
)
