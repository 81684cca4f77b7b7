{{
    config(
        materialized='incremental',
        incremental_strategy='only_differences',
        on_schema_change='fail',
        unique_key=['org_id', 'weeks_ago', 'service_id', 'week_ahead'],
        post_hook="{{ analyze_table() }}",
        indexes=[{'columns': ['org_id', 'weeks_ago', 'service_id', 'week_ahead'], 'unique': true}],
    )
}}

-- What was on hand at the end of as_of, of the same weekday of each week before, and of each of these a year (52
-- weeks) earlier, for each of the weeks after that day.
with periods as (
    select
        periods.org_id,
        periods.service_id,
        periods.revenue,
        {{ days_from_to('periods.service_day', 'run_clock.as_of') }} as service_days_ago,
        {{ days_from_to('periods.first_day', 'run_clock.as_of') }} as first_days_ago,
        coalesce({{ days_from_to('periods.removed_day', 'run_clock.as_of') }}, -1) as removed_days_ago
    from {{ ref('int_on_hand_periods') }} as periods
    inner join {{ ref('stg_app__run_clock') }} as run_clock on periods.org_id = run_clock.org_id
    where periods.first_day <= run_clock.as_of
),

weeks as (
    select
        periods.org_id,
        periods.service_id,
        periods.revenue,
        numbers.number as weeks_ago,
        7 * numbers.number - periods.service_days_ago as days_ahead
    from periods
    cross join lateral {{
        every_number(
            'cast(ceil(greatest(periods.service_days_ago + 1, periods.removed_days_ago + 1, 0) / 7.0) as integer)',
            'cast(floor(least(periods.first_days_ago, periods.service_days_ago + ' ~ var('pace_days')
            ~ ') / 7.0) as integer)',
        )
    }} as numbers
)

select
    org_id,
    weeks_ago,
    service_id,
    cast(ceil(days_ahead / 7.0) as integer) as week_ahead,
    cast(count(*) as integer) as bookings,
    {{ as_money('sum(revenue)') }} as revenue
from weeks
where
    weeks_ago <= {{ var('pace_weeks') }}
    or weeks_ago between 52 and 52 + {{ var('pace_weeks') }}
group by 1, 2, 3, 4
