{{
    config(
        materialized='incremental',
        incremental_strategy='only_differences',
        on_schema_change='fail',
        unique_key=['as_of', 'grain', 'role', 'day'],
        post_hook="{{ analyze_table() }}",
        indexes=[{'columns': ['as_of', 'grain', 'role', 'day'], 'unique': true}],
    )
}}

-- Each day belongs to up to three periods of a grain: to its own (role value), to the next one as a day of the period
-- before (previous), and to the one with the same weekday 52 weeks later (year_ago). A period that is not over at as_of
-- is compared to date: with as many days of the one before, or all of them where it has fewer, and with the same
-- weekdays. Metrics that are final after some days have periods up to so many days before as_of.
with last_days as (
    select distinct {{ final_day('run_clock.as_of', 'metrics.final_after_days') }} as as_of
    from {{ ref('stg_app__run_clock') }} as run_clock
    cross join {{ ref('dim_metric') }} as metrics
),

days as (
    select
        last_days.as_of,
        dates.day,
        {{ add_days('dates.day', 364) }} as same_weekday
    from last_days
    inner join {{ ref('dim_date') }} as dates on last_days.as_of >= dates.day
),

periods as (
    {% for grain in ['day', 'week', 'month', 'quarter', 'year'] %}
        {{ 'union all' if not loop.first }}
        select
            as_of,
            day,
            '{{ grain }}' as grain,
            {{ first_day_of(grain, 'day') }} as own_start,
            {{ last_day_of(grain, 'day') }} as own_end,
            {{ first_day_of(grain, add_days(first_day_of(grain, 'day'), -1)) }} as before_start,
            {{ last_day_of(grain, add_days(last_day_of(grain, 'day'), 1)) }} as next_end,
            {{ first_day_of(grain, 'same_weekday') }} as later_start,
            {{ last_day_of(grain, 'same_weekday') }} as later_end,
            {{ first_day_of(grain, add_days(first_day_of(grain, 'same_weekday'), -1)) }} as before_later_start
        from days
    {% endfor %}
),

roles as (
    select
        as_of,
        grain,
        'value' as role,
        day,
        own_start as period_start,
        own_end as period_end,
        before_start as previous_start,
        least(own_end, as_of) as last_day
    from periods
    union all
    select
        as_of,
        grain,
        'year_ago' as role,
        day,
        later_start as period_start,
        later_end as period_end,
        before_later_start as previous_start,
        {{ add_days('least(later_end, as_of)', -364) }} as last_day
    from periods
    union all
    select
        as_of,
        grain,
        'previous' as role,
        day,
        {{ add_days('own_end', 1) }} as period_start,
        next_end as period_end,
        own_start as previous_start,
        case
            when next_end <= as_of then own_end
            else least(own_end, {{ add_days('own_start', days_from_to(add_days('own_end', 1), 'as_of')) }})
        end as last_day
    from periods
)

select
    as_of,
    grain,
    role,
    day,
    period_start,
    period_end,
    previous_start,
    day = last_day as is_last
from roles
where period_start <= as_of and day <= last_day
