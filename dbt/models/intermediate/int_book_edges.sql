{%- set horizon = var('horizon_days') %}

-- Where the book of coming service days ends at the edge of an export: nothing stands after some day of the coming
-- weeks, although on every day of the past year something stood as far ahead, and beyond a closure.
with bookings as (
    select
        bookings.org_id,
        bookings.created_day,
        bookings.service_day,
        bookings.cancelled_day,
        bookings.lead_days,
        run_clock.as_of
    from {{ ref('fct_bookings') }} as bookings
    inner join {{ ref('stg_app__run_clock') }} as run_clock on bookings.org_id = run_clock.org_id
    where
        bookings.status_group <> 'pending'
        and bookings.service_day is not null
        and bookings.created_day <= run_clock.as_of
        -- Of what ended on an unknown day nobody knows how long it stood.
        and (bookings.status_group <> 'cancelled' or bookings.cancelled_day is not null)
),

books as (
    select
        org_id,
        as_of,
        min(service_day) as first_service_day,
        greatest(
            as_of, max(case when cancelled_day is null or cancelled_day > as_of then service_day end)
        ) as last_service_day
    from bookings
    group by org_id, as_of
),

-- The days from which the book is looked back on: the last four weeks are left out, as they see the same edge.
candidates as (
    select
        books.*,
        {{ days_from_to('as_of', 'last_service_day') }} + {{ var('edge_closure_days') }} as distance,
        greatest(
            {{ add_days('as_of', -var('edge_history_days')) }}, {{ add_days('first_service_day', horizon) }}
        ) as seen_from,
        {{ add_days('as_of', -horizon) }} as seen_to
    from books
    where books.last_service_day < {{ add_days('as_of', horizon) }}
),

-- Each booking stands beyond the distance from the day on which it was made to the day before it was cancelled or came
-- too near: two changes.
spans as (
    select
        candidates.org_id,
        candidates.seen_from,
        candidates.seen_to,
        bookings.created_day as begins,
        {{ add_days('bookings.service_day', '-candidates.distance') }} as near_on,
        bookings.cancelled_day
    from candidates
    inner join bookings on candidates.org_id = bookings.org_id
    where candidates.seen_to >= {{ add_days('candidates.seen_from', var('edge_least_days') - 1) }}
),

changes as (
    select
        org_id,
        seen_from,
        seen_to,
        greatest(begins, seen_from) as day,
        1 as bookings
    from spans
    where begins < near_on and (cancelled_day is null or begins < cancelled_day)
    union all
    select
        org_id,
        seen_from,
        seen_to,
        greatest(least(near_on, coalesce(cancelled_day, near_on)), seen_from) as day,
        -1 as bookings
    from spans
    where begins < near_on and (cancelled_day is null or begins < cancelled_day)
    union all
    select distinct
        org_id,
        seen_from,
        seen_to,
        seen_from as day,
        0 as bookings
    from spans
),

standing as (
    select
        org_id,
        sum(sum(bookings)) over (partition by org_id order by day) as bookings
    from changes
    where day <= seen_to
    group by org_id, day
),

always_booked as (
    select org_id
    from standing
    group by org_id
    having min(bookings) >= {{ var('edge_least_bookings') }}
),

edges as (
    select
        candidates.org_id,
        candidates.last_service_day as book_until
    from candidates
    inner join always_booked on candidates.org_id = always_booked.org_id
    union
    -- Of data that ended nothing is known beyond their last day.
    select
        org_id,
        as_of as book_until
    from {{ ref('stg_app__run_clock') }}
    where has_ended and as_of = last_day
)

-- A booking is in the file only if its service day is: of the days of booking the last ones lack those made far ahead.
select
    edges.org_id,
    max(edges.book_until) as book_until,
    cast(
        {{ add_days(
            'max(edges.book_until)',
            '-cast(ceil(percentile_cont(' ~ var('edge_lead_share') ~ ') within group (order by bookings.lead_days)) as integer)'
        ) }} as date
    ) as bookings_complete_until
from edges
left join bookings
    on
        edges.org_id = bookings.org_id
        and bookings.lead_days >= 0
        and bookings.service_day > {{ add_days('edges.book_until', -var('edge_history_days')) }}
        and edges.book_until >= bookings.service_day
group by edges.org_id
