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
with span_days as (
    select
        spans.*,
        calendar.day,
        calendar.free_hours,
        case when calendar.is_working_day then 1 else 0 end as working_days
    from {{ ref('int_provider_spans') }} as spans
    inner join {{ ref('int_provider_calendar') }} as calendar
        on spans.provider_id = calendar.provider_id and calendar.day between spans.first_day and spans.last_day
    where
        spans.first_day <= {{ add_days('spans.as_of', var('horizon_days')) }}
        and spans.last_day >= {{ add_days('spans.as_of', -var('horizon_days')) }}
),

span_weights as (
    select
        span_days.*,
        count(*) over span as span_days,
        sum(span_days.free_hours) over span as span_free_hours,
        sum(span_days.working_days) over span as span_working_days
    from span_days
    window span as (partition by span_days.booking_id, span_days.is_remaining)
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
            else hours / span_days
        end as numeric(16, 10)
    ) as booked_hours
from span_weights
where
    day >= {{ add_days('as_of', -var('horizon_days')) }}
    and day <= least(shown_to, {{ add_days('as_of', var('horizon_days')) }})
