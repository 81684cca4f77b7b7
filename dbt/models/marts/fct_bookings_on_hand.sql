{{ config(materialized='view') }}

{%- set horizon = var('horizon_days') %}

-- The total has a row for every service day and lead time; a service only where bookings are on hand.
with organizations as (
    select
        spans.org_id,
        min(spans.service_day) as first_day,
        max(run_clock.as_of) as as_of
    from {{ ref('int_on_hand_spans') }} as spans
    inner join {{ ref('stg_app__run_clock') }} as run_clock on spans.org_id = run_clock.org_id
    where spans.dimension = 'total'
    group by spans.org_id
),

bookings_on_hand as (
    select
        spans.org_id,
        spans.dimension,
        spans.member,
        spans.service_day,
        numbers.number as lead_days,
        spans.bookings,
        spans.revenue
    from {{ ref('int_on_hand_spans') }} as spans
    cross join lateral {{ every_number('spans.next_lead_days + 1', 'spans.lead_days') }} as numbers
),

filled as (
    select * from bookings_on_hand
    union all
    select
        organizations.org_id,
        'total' as dimension,
        'all' as member,
        dates.day as service_day,
        numbers.number as lead_days,
        0 as bookings,
        0 as revenue
    from organizations
    inner join {{ ref('dim_date') }} as dates
        on dates.day between organizations.first_day and {{ add_days('organizations.as_of', horizon) }}
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
