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

-- What stands on the books from one move to the next, in total and by service: as many rows as there are moves,
-- whatever the number of days.
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
        from {{ ref('int_book_moves') }}
        group by 1, 2, 3, 4, 5
    {% endfor %}
),

steps as (
    select
        org_id,
        dimension,
        member,
        service_day,
        lead_days,
        coalesce(lead(lead_days) over books, -1) as next_lead_days,
        sum(bookings) over books as bookings,
        sum(revenue) over books as revenue
    from changes
    window books as (partition by org_id, dimension, member, service_day order by lead_days desc)
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
from steps
where bookings <> 0 or revenue <> 0
