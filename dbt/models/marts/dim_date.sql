{{ config(unique_key='day') }}

-- From the first day of the month of the first fact to the last service day; at least to a year after as_of. At most
-- three years after it and fifty before it, longer than a business keeps its bookings, so that a mistyped date does not
-- create a million days.
with fact_days as (
    {{ days_of_metrics() }}
    union all
    select
        min(service_day) as first_day,
        max(service_end_day) as last_day
    from {{ ref('fct_bookings') }}
    union all
    select
        min({{ add_days('as_of', -2 * var('horizon_days')) }}) as first_day,
        max(as_of) as last_day
    from {{ ref('stg_app__run_clock') }}
),

span as (
    select
        {{ first_day_of(
            'month', 'greatest(min(fact_days.first_day), ' ~ add_days('min(run_clock.as_of)', -50 * 366) ~ ')'
        ) }} as first_day,
        least(
            greatest(max(fact_days.last_day), {{ add_days('max(run_clock.as_of)', 366) }}),
            {{ add_days('max(run_clock.as_of)', 3 * 366) }}
        ) as last_day
    from fact_days
    cross join {{ ref('stg_app__run_clock') }} as run_clock
),

days as (
    select {{ add_days('span.first_day', 'numbers.number') }} as day
    from span
    cross join lateral {{ every_number(0, days_from_to('span.first_day', 'span.last_day')) }} as numbers
)

select
    day,
    {{ first_day_of('week', 'day') }} as week,
    {{ first_day_of('month', 'day') }} as month,
    {{ first_day_of('quarter', 'day') }} as quarter,
    {{ first_day_of('year', 'day') }} as year,
    {{ weekday_of('day') }} as weekday,
    {{ weekday_of('day') }} <= 5 as is_working_day
from days
