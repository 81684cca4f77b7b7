{{
    config(
        unique_key=['client_id', 'month'],
        indexes=[{'columns': ['client_id', 'month'], 'unique': true}, {'columns': ['org_id', 'cohort_month']}],
    )
}}

-- Only months with a visit: a client without a row did not come in that month.
{%- set month = first_day_of('month', 'visit_day') %}

with months as (
    select
        org_id,
        client_id,
        {{ month }} as month,
        count(*) as visits,
        sum(amount) as revenue
    from {{ ref('int_client_visits') }}
    group by org_id, client_id, {{ month }}
)

select
    org_id,
    client_id,
    month,
    min(month) over client as cohort_month,
    {{ months_from_to('min(month) over client', 'month') }} as months_since_first,
    cast(visits as integer) as visits,
    {{ as_money('revenue') }} as revenue,
    {{ as_money('sum(revenue) over client_so_far') }} as revenue_so_far
from months
window
    client as (partition by client_id),
    client_so_far as (partition by client_id order by month)
