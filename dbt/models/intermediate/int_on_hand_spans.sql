{{
    config(
        materialized='incremental',
        incremental_strategy='only_differences',
        on_schema_change='fail',
        unique_key=['org_id', 'dimension', 'member', 'service_day', 'lead_days'],
        post_hook="{{ analyze_table() }}",
        indexes=[{'columns': ['org_id', 'dimension', 'member', 'service_day', 'lead_days'], 'unique': true}],
    )
}}

-- Bookings on hand from one change to the next, in total and by service: as many rows as there are changes, whatever
-- the number of days.
with changes as (
    {% for dimension, member in [('total', "'all'"), ('service', 'cast(service_id as text)')] %}
        {{ 'union all' if not loop.first }}
        select
            org_id,
            '{{ dimension }}' as dimension,
            {{ member }} as member,
            service_day,
            lead_days,
            sum(bookings) as bookings,
            sum(revenue) as revenue
        from {{ ref('int_on_hand_changes') }}
        group by 1, 2, 3, 4, 5
    {% endfor %}
),

spans as (
    select
        org_id,
        dimension,
        member,
        service_day,
        lead_days,
        coalesce(lead(lead_days) over service_day_changes, -1) as next_lead_days,
        sum(bookings) over service_day_changes as bookings,
        sum(revenue) over service_day_changes as revenue
    from changes
    window service_day_changes as (partition by org_id, dimension, member, service_day order by lead_days desc)
)

select
    org_id,
    dimension,
    member,
    service_day,
    lead_days,
    next_lead_days,
    cast(bookings as integer) as bookings,
    {{ as_money('revenue') }} as revenue
from spans
where bookings <> 0 or revenue <> 0
