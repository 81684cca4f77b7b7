with loads as (
    select
        days.org_id,
        days.provider_id,
        providers.provider_name,
        days.day,
        cast(days.booked_hours as numeric(10, 2)) as booked_hours,
        days.available_hours as capacity_hours,
        cast(days.bookings as bigint) as active_bookings,
        cast(days.overdue_tasks as bigint) as overdue_tasks,
        workload.expected_hours,
        workload.will_overload
    from {{ ref('fct_provider_days') }} as days
    inner join {{ ref('stg_app__run_clock') }} as run_clock
        on
            days.org_id = run_clock.org_id
            and days.day >= {{ add_days('run_clock.as_of', -var('horizon_days')) }}
            and days.day <= {{ add_days('run_clock.as_of', var('horizon_days')) }}
    inner join {{ ref('dim_provider') }} as providers on days.provider_id = providers.provider_id
    left join {{ source('ml', 'provider_workload') }} as workload
        on
            days.provider_id = workload.provider_id
            and days.day = workload.day
            and run_clock.as_of = workload.as_of
)

select
    org_id,
    provider_id,
    provider_name,
    day,
    booked_hours,
    capacity_hours,
    {{ share('booked_hours', 'capacity_hours') }} as utilization,
    active_bookings,
    overdue_tasks,
    -- Hours on a day without capacity are an overload; a day without either is idle. Unknown hours have no level.
    case
        when booked_hours is null or capacity_hours is null then null
        when booked_hours > capacity_hours * {{ var('workload_high_up_to') }} then 'overloaded'
        when capacity_hours = 0 or booked_hours < capacity_hours * {{ var('workload_idle_below') }} then 'idle'
        when booked_hours < capacity_hours * {{ var('workload_healthy_below') }} then 'healthy'
        else 'high'
    end as load_level,
    expected_hours,
    will_overload
from loads
