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

-- Every day of a provider's bookings, within the days that the workload shows, with its part of the hours. Those of
-- several days are spread as the provider has hours free beside the bookings of one day; where that is not known, or
-- none are free, evenly over the provider's working days, or over all days where none of them is one.
--
-- Up to as_of it is what was planned. After it, it is the work that is left: of a booking that is not begun, the plan;
-- of one that is under way, by its progress, on the days until its end, and in the coming week where that is past; of
-- one that is delivered, nothing.
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
        bookings.status in {{ statuses_from('work_rests') }} as is_resting,
        bookings.status_group = 'completed' or bookings.status in {{ statuses_from('work_over') }} as is_over,
        1 - states.progress_pct / 100 as share_left
    from {{ ref('int_bookings_as_of') }} as bookings
    inner join {{ ref('int_booking_hours') }} as hours on bookings.booking_id = hours.booking_id
    inner join {{ ref('stg_app__run_clock') }} as run_clock on bookings.org_id = run_clock.org_id
    left join {{ ref('int_booking_states') }} as states
        on bookings.booking_id = states.booking_id and states.periods_ago = 0
    where
        bookings.provider_id is not null
        and bookings.status_group in ('ongoing', 'completed')
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
        hours * share_left as hours,
        greatest(first_day, {{ add_days('as_of', 1) }}) as first_day,
        case
            when last_day > as_of then last_day
            else {{ add_days('as_of', var('workload_overdue_days')) }}
        end as last_day,
        {{ add_days('as_of', 1) }} as shown_from,
        {{ add_days('as_of', var('horizon_days')) }} as shown_to
    from bookings
    -- What rests past its end has no day on which it goes on.
    where is_under_way and share_left > 0 and (last_day > as_of or not is_resting)
),

covered as (
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

-- The hours that a provider's bookings of one day take away from those of several days.
appointments as (
    select
        provider_id,
        day,
        sum(hours) as hours
    from covered
    where days = 1 and day between shown_from and shown_to
    group by provider_id, day
),

weighed as (
    select
        covered.*,
        case
            when not covered.is_working_day then 0
            else greatest(covered.capacity_hours - coalesce(appointments.hours, 0), 0)
        end as free_hours,
        case when covered.is_working_day then 1 else 0 end as working_days
    from covered
    left join appointments on covered.provider_id = appointments.provider_id and covered.day = appointments.day
),

shared as (
    select
        weighed.*,
        sum(weighed.free_hours) over span as all_free_hours,
        sum(weighed.working_days) over span as all_working_days
    from weighed
    window span as (partition by weighed.booking_id, weighed.shown_from)
)

select
    org_id,
    provider_id,
    day,
    booking_id,
    cast(
        case
            when all_free_hours > 0 then hours * free_hours / all_free_hours
            when all_working_days > 0 then hours * working_days / all_working_days
            else hours / days
        end as numeric(16, 10)
    ) as booked_hours
from shared
where day between shown_from and shown_to
