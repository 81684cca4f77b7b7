{{
    config(
        unique_key=['provider_id', 'day'],
        indexes=[{'columns': ['provider_id', 'day'], 'unique': true}, {'columns': ['org_id', 'day']}],
    )
}}

-- The hours of a day up to as_of are those of int_provider_days, for all days at once. A booking adds its hours for
-- each free hour of its days (or each working day, or each day) from its first day on, and takes them away after
-- its last: their sum up to a day, times the day's own free hours, is what is booked on it. Overdue tasks are counted
-- likewise, from the due day to the day of completion.
with calendar as (
    select
        org_id,
        provider_id,
        as_of,
        day,
        is_working_day,
        capacity_hours,
        free_hours,
        case when is_working_day then 1 else 0 end as working_days,
        sum(free_hours) over to_date as free_hours_to_date,
        sum(case when is_working_day then 1 else 0 end) over to_date as working_days_to_date,
        row_number() over to_date as days_to_date
    from {{ ref('int_provider_calendar') }}
    window to_date as (partition by provider_id order by day)
),

known_days as (
    select
        provider_id,
        as_of,
        min(day) as first_day,
        max(day) as last_day
    from calendar
    group by provider_id, as_of
),

-- Up to as_of; what a booking has after it is in int_provider_days.
spans as (
    select
        spans.provider_id,
        spans.hours,
        first_days.day as first_day,
        {{ add_days('least(spans.shown_to, spans.as_of)', 1) }} as until_day,
        last_days.free_hours_to_date - first_days.free_hours_to_date + first_days.free_hours as free_hours,
        last_days.working_days_to_date - first_days.working_days_to_date + first_days.working_days as working_days,
        last_days.days_to_date - first_days.days_to_date + 1 as days
    from {{ ref('int_provider_spans') }} as spans
    inner join known_days on spans.provider_id = known_days.provider_id
    inner join calendar as first_days
        on
            spans.provider_id = first_days.provider_id
            and first_days.day = greatest(spans.first_day, known_days.first_day)
    inner join calendar as last_days
        on spans.provider_id = last_days.provider_id and last_days.day = least(spans.last_day, known_days.last_day)
    where spans.first_day <= spans.as_of
),

rates as (
    select
        provider_id,
        first_day,
        until_day,
        case when free_hours > 0 then hours / free_hours end as per_free_hour,
        case when free_hours = 0 and working_days > 0 then hours / working_days end as per_working_day,
        case when free_hours = 0 and working_days = 0 then hours / days end as per_day,
        case when hours is null then 1 else 0 end as unknown
    from spans
),

changes as (
    select
        provider_id,
        first_day as day,
        per_free_hour,
        per_working_day,
        per_day,
        unknown,
        1 as bookings,
        0 as overdue_tasks
    from rates
    union all
    select
        provider_id,
        until_day as day,
        -per_free_hour as per_free_hour,
        -per_working_day as per_working_day,
        -per_day as per_day,
        -unknown as unknown,
        -1 as bookings,
        0 as overdue_tasks
    from rates
    {% for day, change in [('due_day', 1), ('completed_day', -1)] %}
        union all
        select
            tasks.assignee_id as provider_id,
            greatest(tasks.{{ day }}, known_days.first_day) as day,
            null as per_free_hour,
            null as per_working_day,
            null as per_day,
            0 as unknown,
            0 as bookings,
            {{ change }} as overdue_tasks
        from {{ ref('fct_tasks') }} as tasks
        inner join known_days on tasks.assignee_id = known_days.provider_id
        where
            tasks.{{ day }} is not null
            and tasks.due_day <= known_days.as_of
            and tasks.status <> 'cancelled'
            and (tasks.due_day < tasks.completed_day or (tasks.completed_day is null and not tasks.is_done))
    {% endfor %}
),

change_days as (
    select
        provider_id,
        day,
        sum(per_free_hour) as per_free_hour,
        sum(per_working_day) as per_working_day,
        sum(per_day) as per_day,
        sum(unknown) as unknown,
        sum(bookings) as bookings,
        sum(overdue_tasks) as overdue_tasks
    from changes
    group by provider_id, day
),

levels as (
    select
        calendar.org_id,
        calendar.provider_id,
        calendar.as_of,
        calendar.day,
        calendar.is_working_day,
        calendar.capacity_hours,
        calendar.free_hours * coalesce(sum(change_days.per_free_hour) over to_date, 0)
        + calendar.working_days * coalesce(sum(change_days.per_working_day) over to_date, 0)
        + coalesce(sum(change_days.per_day) over to_date, 0) as booked_hours,
        coalesce(sum(change_days.unknown) over to_date, 0) as unknown,
        coalesce(sum(change_days.bookings) over to_date, 0) as bookings,
        coalesce(sum(change_days.overdue_tasks) over to_date, 0) as overdue_tasks
    from calendar
    left join change_days on calendar.provider_id = change_days.provider_id and calendar.day = change_days.day
    window to_date as (partition by calendar.provider_id order by calendar.day)
),

coming_days as (
    select
        provider_id,
        day,
        sum(booked_hours) as booked_hours,
        count(*) as bookings,
        count(*) - count(booked_hours) as unknown
    from {{ ref('int_provider_days') }}
    group by provider_id, day
),

tracked_days as (
    select
        entries.provider_id,
        entries.started_day as day,
        sum(entries.hours) as hours,
        min(entries.started_day) over (partition by entries.provider_id) as first_day
    from {{ ref('fct_time_entries') }} as entries
    where entries.ended_at is not null
    group by entries.provider_id, entries.started_day
),

trackers as (
    select distinct
        provider_id,
        first_day
    from tracked_days
)

select
    levels.org_id,
    levels.provider_id,
    levels.day,
    levels.is_working_day,
    cast(levels.capacity_hours as numeric(5, 2)) as available_hours,
    cast(
        case
            when levels.day > levels.as_of
                then case when coalesce(coming_days.unknown, 0) = 0 then coalesce(coming_days.booked_hours, 0) end
            when levels.unknown = 0 then levels.booked_hours
        end as numeric(16, 10)
    ) as booked_hours,
    cast(
        case when levels.day > levels.as_of then coalesce(coming_days.bookings, 0) else levels.bookings end as integer
    ) as bookings,
    cast(levels.overdue_tasks as integer) as overdue_tasks,
    cast(
        case
            when levels.day <= levels.as_of and levels.day >= trackers.first_day then coalesce(tracked_days.hours, 0)
        end as numeric(12, 4)
    ) as tracked_hours
from levels
left join coming_days on levels.provider_id = coming_days.provider_id and levels.day = coming_days.day
left join tracked_days on levels.provider_id = tracked_days.provider_id and levels.day = tracked_days.day
left join trackers on levels.provider_id = trackers.provider_id
where levels.day <= {{ add_days('levels.as_of', var('horizon_days')) }}
