{{ config(materialized='view') }}

{%- set horizon = var('horizon_days') %}

-- The total has a row for every service day and lead; a service has none where nothing stands on its books.
with series as (
    select
        steps.org_id,
        min(steps.service_day) as first_day,
        max(run_clock.as_of) as as_of
    from {{ ref('int_book_steps') }} as steps
    inner join {{ ref('stg_app__run_clock') }} as run_clock on steps.org_id = run_clock.org_id
    where steps.dimension = 'total'
    group by steps.org_id
),

stood as (
    select
        steps.org_id,
        steps.dimension,
        steps.member,
        steps.service_day,
        numbers.number as lead_days,
        steps.bookings,
        steps.revenue
    from {{ ref('int_book_steps') }} as steps
    cross join lateral {{ every_number('steps.next_lead_days + 1', 'steps.lead_days') }} as numbers
),

filled as (
    select * from stood
    union all
    select
        series.org_id,
        'total' as dimension,
        'all' as member,
        dates.day as service_day,
        numbers.number as lead_days,
        0 as bookings,
        0 as revenue
    from series
    inner join {{ ref('dim_date') }} as dates
        on dates.day between series.first_day and {{ add_days('series.as_of', horizon) }}
    cross join {{ every_number(0, horizon) }} as numbers
)

select
    filled.org_id,
    filled.dimension,
    filled.member,
    filled.service_day,
    filled.lead_days,
    cast(sum(filled.bookings) as integer) as bookings,
    {{ as_money('sum(filled.revenue)') }} as revenue
from filled
inner join {{ ref('stg_app__run_clock') }} as run_clock on filled.org_id = run_clock.org_id
where
    filled.service_day <= {{ add_days('run_clock.as_of', horizon) }}
    and filled.lead_days >= {{ days_from_to('run_clock.as_of', 'filled.service_day') }}
group by filled.org_id, filled.dimension, filled.member, filled.service_day, filled.lead_days
