{{
    config(
        materialized='incremental',
        incremental_strategy='only_differences',
        on_schema_change='sync_all_columns',
        unique_key=['org_id'],
        post_hook="{{ analyze_table() }}",
    )
}}
{%- set horizon = var('horizon_days') %}

{#- The build of the models on forecasts is never a full refresh: changed columns are altered instead. #}
-- A table, because insights read it once per organisation.

-- Only organisations with a forecast of every day of the horizon, and with revenue since at least as many days before:
-- the days that the forecast is compared with.
with forecasts as (
    select
        forecasts.org_id,
        forecasts.as_of,
        count(*) as days,
        sum(forecasts.forecast) as forecast,
        sum(forecasts.lower_80) as lower_80,
        sum(forecasts.upper_80) as upper_80
    from {{ source('ml', 'revenue_forecasts') }} as forecasts
    inner join {{ ref('dim_organization') }} as organizations
        on forecasts.org_id = organizations.org_id and forecasts.as_of = organizations.as_of
    where forecasts.service_id is null
    group by forecasts.org_id, forecasts.as_of
    having count(*) = {{ horizon }}
),

actuals as (
    select
        forecasts.org_id,
        min(case when kpis.value <> 0 then kpis.day end) as first_day,
        sum(case when kpis.day > {{ add_days('forecasts.as_of', -horizon) }} then kpis.value end) as revenue
    from forecasts
    inner join {{ ref('kpi_daily') }} as kpis
        on
            forecasts.org_id = kpis.org_id
            and kpis.metric = 'realized_revenue'
            and kpis.dimension = 'total'
            and forecasts.as_of >= kpis.day
    group by forecasts.org_id
)

select
    forecasts.org_id,
    forecasts.as_of,
    cast(forecasts.days as integer) as days,
    {{ as_money('forecasts.forecast') }} as forecast,
    {{ as_money('forecasts.lower_80') }} as lower_80,
    {{ as_money('forecasts.upper_80') }} as upper_80,
    {{ as_money('actuals.revenue') }} as previous,
    cast((forecasts.forecast - actuals.revenue) / actuals.revenue as numeric(24, 6)) as change
from forecasts
inner join actuals on forecasts.org_id = actuals.org_id
where
    actuals.revenue > 0
    and actuals.first_day <= {{ add_days('forecasts.as_of', 1 - horizon) }}
