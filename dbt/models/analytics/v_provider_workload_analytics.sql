with provider_days as (
    select * from {{ ref('int_provider_capacity') }}
),

-- Where the hours of one booking are not known, neither is their sum.
booked as (
    select
        provider_id,
        day,
        case when count(*) = count(booked_hours) then sum(booked_hours) end as booked_hours,
        count(*) as active_bookings
    from {{ ref('int_provider_days') }}
    group by provider_id, day
),

-- Tasks that were overdue at the end of the day; on days to come those that are so already.
overdue as (
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
        cast(case when booked.day is null then 0 else booked.booked_hours end as numeric(10, 2)) as booked_hours,
        provider_days.capacity_hours,
        coalesce(booked.active_bookings, 0) as active_bookings,
        coalesce(overdue.overdue_tasks, 0) as overdue_tasks,
        ahead.expected_hours,
        ahead.will_overload
    from provider_days
    left join booked on provider_days.provider_id = booked.provider_id and provider_days.day = booked.day
    left join overdue on provider_days.provider_id = overdue.provider_id and provider_days.day = overdue.day
    left join {{ source('ml', 'provider_workload') }} as ahead
        on
            provider_days.provider_id = ahead.provider_id
            and provider_days.day = ahead.day
            and provider_days.as_of = ahead.as_of
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
    -- Hours on a day without capacity are too many; no hours on it are none. What is not known has no level.
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
