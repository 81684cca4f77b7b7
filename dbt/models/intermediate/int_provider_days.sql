{{
    config(
        materialized='incremental',
        incremental_strategy='only_differences',
        on_schema_change='fail',
        unique_key=['booking_id', 'day'],
        post_hook="{{ analyze_table() }}",
        indexes=[{'columns': ['booking_id', 'day'], 'unique': true}, {'columns': ['org_id', 'day']}],
    )
}}

-- Every day of a provider's bookings, within the days of the workload, with its part of the hours. The hours of a
-- booking of several days are spread in proportion to the hours that the provider has free beside the bookings of one
-- day; where these are unknown or none are free, evenly over the provider's working days, or over all days if there are
-- none.
--
-- Up to as_of these are the planned hours. After it, they are those of the remaining work: of a booking that has not
-- begun, the planned ones; of one that is under way, the share that its progress leaves, on the days until its end, or
-- in the coming week if that is past; of one that is delivered, none.
with bookings as (
    select
        bookings.org_id,
        bookings.provider_id,
        bookings.booking_id,
        bookings.service_day as first_day,
        coalesce(bookings.service_end_day, bookings.service_day) as last_day,
        run_clock.as_of,
        hours.hours,
        -- The progress of a booking without milestones is not recorded.
        coalesce(
            bookings.status in {{ statuses_from('work_begun') }} and states.milestones_total > 0, false
        ) as is_under_way,
        bookings.status in {{ statuses_from('work_rests') }} as is_paused,
        bookings.status_group = 'completed' or bookings.status in {{ statuses_from('work_over') }} as is_over,
        1 - states.progress_pct / 100 as remaining_share
    from {{ ref('int_bookings_as_of') }} as bookings
    inner join {{ ref('int_booking_hours') }} as hours on bookings.booking_id = hours.booking_id
    inner join {{ ref('stg_app__run_clock') }} as run_clock on bookings.org_id = run_clock.org_id
    left join {{ ref('int_booking_states') }} as states
        on bookings.booking_id = states.booking_id and states.periods_ago = 0
    where
        bookings.provider_id is not null
        and {{ is_firm('bookings.status_group') }}
        and bookings.service_day <= {{ add_days('run_clock.as_of', var('horizon_days')) }}
        and coalesce(bookings.service_end_day, bookings.service_day)
        >= {{ add_days('run_clock.as_of', -var('horizon_days')) }}
),

spans as (
    select
        org_id,
        provider_id,
        booking_id,
        hours,
        first_day,
        last_day,
        {{ add_days('as_of', -var('horizon_days')) }} as shown_from,
        case
            when is_over or is_under_way then as_of
            else {{ add_days('as_of', var('horizon_days')) }}
        end as shown_to
    from bookings
    union all
    select
        org_id,
        provider_id,
        booking_id,
        hours * remaining_share as hours,
        greatest(first_day, {{ add_days('as_of', 1) }}) as first_day,
        case
            when last_day > as_of then last_day
            else {{ add_days('as_of', var('workload_overdue_days')) }}
        end as last_day,
        {{ add_days('as_of', 1) }} as shown_from,
        {{ add_days('as_of', var('horizon_days')) }} as shown_to
    from bookings
    -- It is unknown when a paused booking past its end continues.
    where is_under_way and remaining_share > 0 and (last_day > as_of or not is_paused)
),

booking_days as (
    select
        spans.*,
        calendar.day,
        calendar.is_working_day,
        calendar.capacity_hours,
        count(*) over span as days
    from spans
    inner join {{ ref('int_provider_calendar') }} as calendar
        on spans.provider_id = calendar.provider_id and calendar.day between spans.first_day and spans.last_day
    window span as (partition by spans.booking_id, spans.shown_from)
),

-- The hours of a provider's bookings of one day, which reduce the hours free for those of several days.
appointments as (
    select
        provider_id,
        day,
        sum(hours) as hours
    from booking_days
    where days = 1 and day between shown_from and shown_to
    group by provider_id, day
),

day_weights as (
    select
        booking_days.*,
        case
            when not booking_days.is_working_day then 0
            else greatest(booking_days.capacity_hours - coalesce(appointments.hours, 0), 0)
        end as free_hours,
        case when booking_days.is_working_day then 1 else 0 end as working_days
    from booking_days
    left join appointments
        on booking_days.provider_id = appointments.provider_id and booking_days.day = appointments.day
),

span_weights as (
    select
        day_weights.*,
        sum(day_weights.free_hours) over span as span_free_hours,
        sum(day_weights.working_days) over span as span_working_days
    from day_weights
    window span as (partition by day_weights.booking_id, day_weights.shown_from)
)

select
    org_id,
    provider_id,
    day,
    booking_id,
    cast(
        case
            when span_free_hours > 0 then hours * free_hours / span_free_hours
            when span_working_days > 0 then hours * working_days / span_working_days
            else hours / days
        end as numeric(16, 10)
    ) as booked_hours
from span_weights
where day between shown_from and shown_to
