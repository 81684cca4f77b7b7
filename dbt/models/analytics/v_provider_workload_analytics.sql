with provider_days as (
    select * from {{ ref('int_provider_capacity') }}
),

-- The sum is unknown if the hours of one booking are unknown.
booked_days as (
    select
        provider_id,
        day,
        case when count(*) = count(booked_hours) then sum(booked_hours) end as booked_hours,
        count(*) as active_bookings
    from {{ ref('int_provider_days') }}
    group by provider_id, day
),

-- Tasks that were overdue at the end of the day; on days after as_of, those that are overdue at as_of.
overdue_days as (
    select
        provider_days.provider_id,
        provider_days.day,
        count(*) as overdue_tasks
    from provider_days
    inner join {{ ref('fct_tasks') }} as tasks
        on
            provider_days.provider_id = tasks.assignee_id
            and tasks.due_day <= least(provider_days.day, provider_days.as_of)
            and tasks.status <> 'cancelled'
            and (provider_days.day < tasks.completed_day or (tasks.completed_day is null and not tasks.is_done))
    group by provider_days.provider_id, provider_days.day
),

loads as (
    select
        provider_days.org_id,
        provider_days.provider_id,
        provider_days.provider_name,
        provider_days.day,
        cast(case when booked_days.day is null then 0 else booked_days.booked_hours end as numeric(10, 2))
            as booked_hours,
        provider_days.capacity_hours,
        coalesce(booked_days.active_bookings, 0) as active_bookings,
        coalesce(overdue_days.overdue_tasks, 0) as overdue_tasks,
        workload.expected_hours,
        workload.will_overload
    from provider_days
    left join booked_days
        on provider_days.provider_id = booked_days.provider_id and provider_days.day = booked_days.day
    left join overdue_days
        on provider_days.provider_id = overdue_days.provider_id and provider_days.day = overdue_days.day
    left join {{ source('ml', 'provider_workload') }} as workload
        on
            provider_days.provider_id = workload.provider_id
            and provider_days.day = workload.day
            and provider_days.as_of = workload.as_of
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
