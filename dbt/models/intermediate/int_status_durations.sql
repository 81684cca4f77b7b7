{{
    config(
        materialized='incremental',
        incremental_strategy='only_differences',
        on_schema_change='fail',
        unique_key=['org_id', 'month', 'status'],
        post_hook="{{ analyze_table() }}",
        indexes=[{'columns': ['org_id', 'month', 'status'], 'unique': true}],
    )
}}

-- How long bookings were in each status, by the month in which the status began, up to as_of_at. In the percentiles,
-- the statuses that have not ended are longer than all others: without them, those of the last months would be the
-- quick ones.
{%- set endless = 1000000000 %}

with figures as (
    select
        org_id,
        {{ first_day_of('month', 'entered_day') }} as month,
        status,
        count(*) as entered,
        count(days) as left_it,
        percentile_disc(0.5) within group (order by coalesce(days, {{ endless }})) as median_days,
        percentile_disc(0.9) within group (order by coalesce(days, {{ endless }})) as slowest_tenth_days
    from {{ ref('int_status_times') }}
    group by org_id, {{ first_day_of('month', 'entered_day') }}, status
)

select
    org_id,
    month,
    status,
    entered,
    left_it,
    cast(nullif(median_days, {{ endless }}) * 24 as numeric(10, 2)) as median_hours,
    cast(nullif(slowest_tenth_days, {{ endless }}) * 24 as numeric(10, 2)) as slowest_tenth_hours
from figures
