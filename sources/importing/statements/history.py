"""Status history of bookings: inserted for new ones, and extended for changed ones.

`history` of a staged booking is text such as requested=2025-03-01T00:00:00+00:00;cancelled=? with ? for an unknown
time. A status of unknown time gets the scheduled start if that has passed, else the time of the previous status.
Parameters: org, now.
"""

from typing import Final

from psycopg import sql

_ENTRIES: Final = sql.SQL("""
select booking_id, position, booked_at, nth, is_last, from_status, to_status, stated_at is not null as changed_at_known,
    coalesce(
        stated_at,
        greatest(coalesce(previous_at, booked_at), least(%(now)s, coalesce(scheduled_start, previous_at, booked_at)))
    ) as changed_at
from (
    select candidate.id as booking_id, candidate.position, candidate.created_at as booked_at, candidate.scheduled_start,
        nth, nth = cardinality(parts) as is_last, split_part(parts[nth - 1], '=', 1) as from_status,
        split_part(parts[nth], '=', 1) as to_status,
        nullif(split_part(parts[nth], '=', 2), '?')::timestamptz as stated_at,
        nullif(split_part(parts[nth - 1], '=', 2), '?')::timestamptz as previous_at
    from (
        select *, string_to_array(history, ';') as parts from candidate_booking where outcome = {outcome}
    ) as candidate
    cross join lateral generate_series(1, cardinality(parts)) as nth
) as entries
""")
INSERT_HISTORY: Final = sql.SQL("""
insert into app.booking_status_history (
    org_id, booking_id, from_status, to_status, changed_at, changed_at_known, created_at, updated_at
)
select %(org)s, booking_id, from_status, to_status, changed_at, changed_at_known, %(now)s, %(now)s
from ({entries}) as entries
order by booked_at, position, nth
""").format(entries=_ENTRIES.format(outcome=sql.Literal("new")))

# A changed booking keeps its recorded history. An entry with another time in the file is moved, a new one is added.
_COMPARE: Final = sql.SQL("""
create temporary table stated_entries on commit drop as
with stated as (
    select entries.*, row_number() over (partition by booking_id, to_status order by nth) as occurrence
    from ({entries}) as entries
),

recorded as (
    select id, booking_id, to_status, changed_at, row_number() over (
        partition by booking_id, to_status order by changed_at, id
    ) as occurrence
    from app.booking_status_history
    where org_id = %(org)s and booking_id in (select id from candidate_booking where outcome = 'changed')
)

select stated.*, recorded.id as recorded_id from stated left join recorded using (booking_id, to_status, occurrence)
""").format(entries=_ENTRIES.format(outcome=sql.Literal("changed")))
MERGE_HISTORY: Final = (
    _COMPARE,
    sql.SQL("""
update app.booking_status_history as recorded
set changed_at = stated.changed_at, changed_at_known = stated.changed_at_known
from stated_entries as stated
where recorded.org_id = %(org)s and recorded.id = stated.recorded_id
    and (recorded.changed_at, recorded.changed_at_known) is distinct from (stated.changed_at, stated.changed_at_known)
    and (stated.changed_at_known or recorded.changed_at_known)
"""),
    # New entries are inserted anywhere, except the last one of a booking, which follows all recorded ones (below).
    sql.SQL("""
insert into app.booking_status_history (
    org_id, booking_id, to_status, changed_at, changed_at_known, created_at, updated_at
)
select %(org)s, booking_id, to_status, changed_at, changed_at_known, %(now)s, %(now)s
from stated_entries
where recorded_id is null and not is_last
order by booking_id, nth
"""),
    # The current status of a booking follows all recorded entries. Its time is the stated one if that is later
    # than the last entry; the time of the last entry if the stated time is when the booking was closed; otherwise it is
    # unknown.
    sql.SQL("""
insert into app.booking_status_history (
    org_id, booking_id, to_status, changed_at, changed_at_known, created_at, updated_at
)
select %(org)s, booking.id, booking.status,
    case
        when stated.recorded_id is null and stated.changed_at > last.changed_at then stated.changed_at
        when stated.recorded_id is null and stated.changed_at = closing.closed_at then last.changed_at
        else greatest(last.changed_at, least(%(now)s, coalesce(booking.scheduled_start, %(now)s)))
    end,
    coalesce(
        stated.recorded_id is null and stated.changed_at_known
        and (stated.changed_at > last.changed_at or stated.changed_at = closing.closed_at),
        false
    ),
    %(now)s, %(now)s
from candidate_booking as candidate
inner join app.bookings as booking on booking.org_id = %(org)s and booking.id = candidate.id
inner join stated_entries as stated on stated.booking_id = booking.id and stated.is_last
cross join lateral (select coalesce(booking.completed_at, booking.cancelled_at) as closed_at) as closing
cross join lateral (
    select recorded.to_status, recorded.changed_at from app.booking_status_history as recorded
    where recorded.org_id = %(org)s and recorded.booking_id = booking.id
    order by recorded.changed_at desc, recorded.id desc
    limit 1
) as last
where candidate.outcome = 'changed' and last.to_status <> booking.status
"""),
    sql.SQL("""
update app.booking_status_history as recorded
set from_status = previous.from_status
from (
    select id, lag(to_status) over (partition by booking_id order by changed_at, id) as from_status
    from app.booking_status_history
    where org_id = %(org)s and booking_id in (select id from candidate_booking where outcome = 'changed')
) as previous
where recorded.org_id = %(org)s and recorded.id = previous.id
    and recorded.from_status is distinct from previous.from_status
"""),
)
