{{
    config(
        materialized='incremental',
        incremental_strategy='only_differences',
        on_schema_change='fail',
        unique_key=['of_id', 'month', 'position'],
        post_hook="{{ analyze_table() }}",
        indexes=[{'columns': ['of_id', 'month', 'position'], 'unique': true}, {'columns': ['org_id']}],
    )
}}

-- The bookings made in each month, by the stages that they have reached by as_of_at, in total and for each service. A
-- booking that was cancelled stays in the stages that it had reached before.
{%- set stages = var('funnel_stages') %}

with histories as (
    select
        bookings.booking_id,
        bookings.org_id,
        bookings.service_id,
        bookings.created_day,
        bookings.status_group = 'cancelled' as is_lost,
        statuses.valid_from,
        case when statuses.is_moment_known then statuses.valid_from end as known_from,
        case
            when not {{ is_firm('statuses.status_group') }} then 0
            when statuses.status_group = 'completed' then 4
            when statuses.status in {{ statuses_from('work_over') }} then 3
            when statuses.status in {{ statuses_from('work_begun') }} then 2
            else 1
        end as position
    from {{ ref('int_bookings_as_of') }} as bookings
    inner join {{ ref('fct_booking_statuses') }} as statuses
        on bookings.booking_id = statuses.booking_id and bookings.seen_at > statuses.valid_from
    where bookings.created_day is not null
),

-- Who has reached a stage has reached those before it.
moments as (
    select
        booking_id,
        org_id,
        service_id,
        {{ first_day_of('month', 'created_day') }} as month,
        {% for stage in stages %}
            min(case when position >= {{ loop.index0 }} then valid_from end) as {{ stage }}_from,
            min(case when position >= {{ loop.index0 }} then known_from end) as {{ stage }}_known_from,
        {% endfor %}
        is_lost
    from histories
    group by booking_id, org_id, service_id, created_day, is_lost
),

-- The time is unknown if that of the first status of the stage, or of a later one, is unknown.
reached as (
    select
        org_id,
        service_id,
        month,
        {% for stage in stages %}
            {{ stage }}_from,
            case when {{ stage }}_from = {{ stage }}_known_from then {{ stage }}_from end as {{ stage }}_at,
        {% endfor %}
        is_lost
    from moments
),

steps as (
    {% for stage in stages %}
        {{ 'union all' if not loop.first }}
        select
            org_id,
            service_id,
            month,
            is_lost,
            {{ loop.index0 }} as position,
            {{ 'true' if loop.last else loop.nextitem ~ '_from is null' }} as is_furthest,
            {{ 'null' if loop.first else seconds_from_to(loop.previtem ~ '_at', stage ~ '_at') }} as seconds
        from reached
        where {{ stage }}_from is not null
    {% endfor %}
)

{% for of_id in ['org_id', 'service_id'] %}
    {{ 'union all' if not loop.first }}
    select
        org_id,
        {{ of_id }} as of_id,
        {{ 'service_id' if of_id == 'service_id' else 'cast(null as uuid) as service_id' }},
        month,
        position,
        count(*) as bookings,
        {{ count_where('is_furthest and is_lost') }} as lost,
        {{ count_where('is_furthest and not is_lost and position < ' ~ (stages | length - 1)) }} as waiting,
        cast(
            percentile_cont(0.5) within group (order by seconds) / 86400 as numeric(10, 2)
        ) as median_days_from_previous
    from steps
    group by org_id, {{ 'service_id, ' if of_id == 'service_id' }}month, position
{% endfor %}
