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

{{ levels_of_days('changes', 'revenue') }}
