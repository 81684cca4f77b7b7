{{
    config(
        materialized='incremental',
        incremental_strategy='only_differences',
        on_schema_change='sync_all_columns',
        unique_key=['provider_id', 'day'],
        post_hook="{{ analyze_table() }}",
        indexes=[{'columns': ['provider_id', 'day'], 'unique': true}, {'columns': ['org_id']}],
    )
}}

{#- The build of the models on forecasts is never a full refresh: changed columns are altered instead. #}
-- The revenue that is forecast and not yet on hand is converted to hours by the ratio of hours to revenue of the last
-- four weeks. These hours are given to the providers in proportion to their free hours. Revenue that is not positive
-- has no ratio. No provider is given more than 24 hours per day: after a very small revenue the hours could exceed the
-- type.
with provider_days as (
    select
        capacity.org_id,
        capacity.provider_id,
        capacity.as_of,
        capacity.day,
        capacity.capacity_hours,
        sum(bookings.booked_hours) as booked_hours
    from {{ ref('int_provider_capacity') }} as capacity
    left join {{ ref('int_provider_days') }} as bookings
        on capacity.provider_id = bookings.provider_id and capacity.day = bookings.day
    where capacity.capacity_hours is not null
    group by capacity.org_id, capacity.provider_id, capacity.as_of, capacity.day, capacity.capacity_hours
),

past_hours as (
    select
        org_id,
        as_of,
        min(day) as first_day,
        sum(case when day <= as_of then booked_hours end) as hours
    from provider_days
    group by org_id, as_of
),

past_revenue as (
    select
        past_hours.org_id,
        sum(kpis.value) as revenue
    from past_hours
    inner join {{ ref('kpi_daily') }} as kpis
        on
            past_hours.org_id = kpis.org_id
            and kpis.metric = 'realized_revenue'
            and kpis.dimension = 'total'
            and kpis.day between past_hours.first_day and past_hours.as_of
    group by past_hours.org_id
),

coming_hours as (
    select
        forecasts.org_id,
        forecasts.day,
        greatest(forecasts.forecast - coalesce(forecasts.on_hand, 0), 0)
        * past_hours.hours / nullif(greatest(past_revenue.revenue, 0), 0) as hours
    from {{ source('ml', 'revenue_forecasts') }} as forecasts
    inner join past_hours on forecasts.org_id = past_hours.org_id and forecasts.as_of = past_hours.as_of
    inner join past_revenue on forecasts.org_id = past_revenue.org_id
    where forecasts.service_id is null
),

coming_days as (
    select
        org_id,
        provider_id,
        day,
        capacity_hours,
        coalesce(booked_hours, 0) as booked_hours,
        greatest(capacity_hours - coalesce(booked_hours, 0), 0) as free_hours
    from provider_days
    where day > as_of
),

shares as (
    select
        coming_days.*,
        coming_days.free_hours
        / nullif(sum(coming_days.free_hours) over (partition by coming_days.org_id, coming_days.day), 0) as free_share
    from coming_days
)

select
    shares.org_id,
    shares.provider_id,
    shares.day,
    shares.booked_hours,
    shares.capacity_hours,
    cast(
        shares.booked_hours + least(coalesce(coming_hours.hours * shares.free_share, 0), 24) as numeric(16, 10)
    ) as expected_hours
from shares
left join coming_hours on shares.org_id = coming_hours.org_id and shares.day = coming_hours.day
