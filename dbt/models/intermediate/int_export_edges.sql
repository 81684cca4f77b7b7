{%- set horizon = var('horizon_days') %}

-- An export that contains only bookings up to some service day has an edge there. An organisation has an edge if its
-- bookings on hand end before the horizon, although on every past day (of edge_history_days, without the last four
-- weeks) there were bookings on hand for service days further ahead than that, by more than edge_closure_days.
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
        -- It is unknown how long a booking that ended on an unknown day was on hand.
        and (bookings.status_group <> 'cancelled' or bookings.cancelled_day is not null)
),

spans_on_hand as (
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

-- The past days whose bookings on hand are counted: without the last four weeks, which show the same edge.
candidates as (
    select
        spans_on_hand.*,
        {{ days_from_to('as_of', 'last_service_day') }} + {{ var('edge_closure_days') }} as distance,
        greatest(
            {{ add_days('as_of', -var('edge_history_days')) }}, {{ add_days('first_service_day', horizon) }}
        ) as first_day,
        {{ add_days('as_of', -horizon) }} as last_day
    from spans_on_hand
    where spans_on_hand.last_service_day < {{ add_days('as_of', horizon) }}
),

-- Each booking is on hand at more than this distance from the day on which it was made to the day before it was
-- cancelled or was no longer that far ahead: two changes.
far_bookings as (
    select
        candidates.org_id,
        candidates.first_day,
        candidates.last_day,
        bookings.created_day,
        {{ add_days('bookings.service_day', '-candidates.distance') }} as near_day,
        bookings.cancelled_day
    from candidates
    inner join bookings on candidates.org_id = bookings.org_id
    where candidates.last_day >= {{ add_days('candidates.first_day', var('edge_least_days') - 1) }}
),

changes as (
    select
        org_id,
        last_day,
        greatest(created_day, first_day) as day,
        1 as bookings
    from far_bookings
    where created_day < near_day and (cancelled_day is null or created_day < cancelled_day)
    union all
    select
        org_id,
        last_day,
        greatest(least(near_day, coalesce(cancelled_day, near_day)), first_day) as day,
        -1 as bookings
    from far_bookings
    where created_day < near_day and (cancelled_day is null or created_day < cancelled_day)
    union all
    select distinct
        org_id,
        last_day,
        first_day as day,
        0 as bookings
    from far_bookings
),

on_hand as (
    select
        org_id,
        sum(sum(bookings)) over (partition by org_id order by day) as bookings
    from changes
    where day <= last_day
    group by org_id, day
),

always_booked as (
    select org_id
    from on_hand
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
    -- If the data have ended, no booking after their last day is known.
    select
        org_id,
        as_of as book_until
    from {{ ref('stg_app__run_clock') }}
    where has_ended and as_of = last_day
)

-- A booking is in the file only if its service day is: the last days of booking lack the bookings made far ahead.
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
