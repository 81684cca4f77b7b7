-- The bookings made in each month, by the stages that they have reached by as_of_at. A booking that was cancelled stays
-- in the stages that it had reached before.
{%- set stages = ['made', 'confirmed', 'started', 'delivered', 'completed'] %}

with histories as (
    select
        bookings.booking_id,
        bookings.org_id,
        bookings.service_id,
        {{ first_day_of('month', 'bookings.created_day') }} as month,
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

-- The time is unknown if that of the first status of the stage, or of a later one, is unknown.
reached as (
    select
        histories.booking_id,
        histories.org_id,
        histories.service_id,
        histories.month,
        histories.is_lost,
        stages.number as position,
        case when min(histories.valid_from) = min(histories.known_from) then min(histories.valid_from) end as reached_at
    from histories
    inner join {{ every_number(0, stages | length - 1) }} as stages on histories.position >= stages.number
    group by
        histories.booking_id,
        histories.org_id,
        histories.service_id,
        histories.month,
        histories.is_lost,
        stages.number
),

steps as (
    select
        reached.*,
        lag(reached.reached_at) over booking as previous_at,
        lead(reached.position) over booking is null as is_furthest
    from reached
    window booking as (partition by reached.org_id, reached.booking_id order by reached.position)
),

-- Each step is counted in total and for its service. With grouping sets, a reader's condition on the organisation would
-- not reach the bookings.
figures as (
    select
        steps.org_id,
        case when levels.number = 1 then steps.service_id end as service_id,
        steps.month,
        steps.position,
        count(*) as bookings,
        {{ count_where('steps.is_furthest and steps.is_lost') }} as lost,
        {{ count_where('steps.is_furthest and not steps.is_lost and steps.position < ' ~ (stages | length - 1)) }}
            as waiting,
        cast(
            percentile_cont(0.5)
            within group (order by {{ seconds_from_to('steps.previous_at', 'steps.reached_at') }})
            / 86400 as numeric(10, 2)
        ) as median_days_from_previous
    from steps
    cross join {{ every_number(0, 1) }} as levels
    group by steps.org_id, 2, steps.month, steps.position, levels.number
)

select
    figures.org_id,
    figures.month as period_start,
    {{ last_day_of('month', 'figures.month') }} as period_end,
    {{ last_day_of('month', 'figures.month') }} > run_clock.as_of as is_partial,
    figures.service_id,
    services.service_name,
    figures.position,
    case figures.position
        {% for stage in stages %}
            when {{ loop.index0 }} then '{{ stage }}'
        {% endfor %}
    end as stage,
    figures.bookings,
    {{ share('figures.bookings', 'first_value(figures.bookings) over stages') }} as share_of_made,
    {{ share('figures.bookings', 'lag(figures.bookings) over stages') }} as share_of_previous,
    figures.lost,
    figures.waiting,
    figures.median_days_from_previous
from figures
inner join {{ ref('stg_app__run_clock') }} as run_clock on figures.org_id = run_clock.org_id
left join {{ ref('dim_service') }} as services on figures.service_id = services.service_id
window stages as (partition by figures.org_id, figures.month, figures.service_id order by figures.position)
