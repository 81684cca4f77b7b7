{{
    config(
        materialized='incremental',
        incremental_strategy='only_differences',
        on_schema_change='fail',
        unique_key=['service_id', 'day'],
        post_hook="{{ analyze_table() }}",
        indexes=[{'columns': ['service_id', 'day'], 'unique': true}],
    )
}}

-- Each span of lead times adds its revenue on the days on which the service day lies that far ahead. Days on which
-- nothing is on hand have no row.
with changes as (
    select
        org_id,
        cast(member as uuid) as service_id,
        {{ add_days('service_day', '-lead_days') }} as day,
        revenue
    from {{ ref('int_on_hand_spans') }}
    where dimension = 'service' and lead_days > 0
    union all
    select
        org_id,
        cast(member as uuid) as service_id,
        {{ add_days('service_day', '-greatest(next_lead_days, 0)') }} as day,
        -revenue as revenue
    from {{ ref('int_on_hand_spans') }}
    where dimension = 'service' and lead_days > 0
),

change_days as (
    select
        org_id,
        service_id,
        day,
        sum(revenue) as revenue
    from changes
    group by org_id, service_id, day
),

levels as (
    select
        change_days.org_id,
        change_days.service_id,
        change_days.day as first_day,
        least(lead(change_days.day) over service_days, {{ add_days('run_clock.as_of', 1) }}) as next_day,
        sum(change_days.revenue) over service_days as revenue
    from change_days
    inner join {{ ref('stg_app__run_clock') }} as run_clock on change_days.org_id = run_clock.org_id
    window service_days as (partition by change_days.org_id, change_days.service_id order by change_days.day)
)

select
    levels.org_id,
    levels.service_id,
    {{ add_days('levels.first_day', 'numbers.number - 1') }} as day,
    {{ as_money('levels.revenue') }} as revenue
from levels
cross join lateral {{ every_number(1, days_from_to('levels.first_day', 'levels.next_day')) }} as numbers
where levels.revenue <> 0
