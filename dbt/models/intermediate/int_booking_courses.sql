{{
    config(
        materialized='incremental',
        incremental_strategy='only_differences',
        on_schema_change='fail',
        unique_key='booking_id',
        post_hook="{{ analyze_table() }}",
        indexes=[{'columns': ['booking_id'], 'unique': true}],
    )
}}

-- What each booking came from and led to, by what was known at as_of_at: an earlier booking of its client, a request, a
-- firm status, tracked work, tasks. Its amount only if it is in the organisation's own currency.
with first_bookings as (
    select
        client_id,
        min(created_at) as created_at
    from {{ ref('fct_bookings') }}
    group by client_id
),

statuses as (
    select
        statuses.booking_id,
        {{ count_where("statuses.status = 'requested'") }} > 0 as is_request
    from {{ ref('fct_booking_statuses') }} as statuses
    inner join {{ ref('int_bookings_as_of') }} as bookings on statuses.booking_id = bookings.booking_id
    where statuses.valid_from < bookings.seen_at
    group by statuses.booking_id
),

work as (
    select
        entries.booking_id,
        sum(entries.hours) as tracked_hours
    from {{ ref('fct_time_entries') }} as entries
    inner join {{ ref('int_bookings_as_of') }} as bookings on entries.booking_id = bookings.booking_id
    where entries.ended_at < bookings.seen_at
    group by entries.booking_id
),

tasks as (
    select
        bookings.booking_id,
        count(*) as tasks_total,
        {{ count_where(was_done('tasks', 'bookings.seen_at')) }} as tasks_done
    from {{ ref('fct_tasks') }} as tasks
    inner join {{ ref('int_bookings_as_of') }} as bookings on tasks.booking_id = bookings.booking_id
    where tasks.status <> 'cancelled'
    group by bookings.booking_id
)

select
    bookings.booking_id,
    bookings.org_id,
    made.client_id,
    bookings.service_id,
    bookings.provider_id,
    bookings.created_day,
    bookings.completed_day,
    coalesce(bookings.created_at > first_bookings.created_at, false) as is_repeat,
    coalesce(statuses.is_request, false) as is_request,
    {{ days_from_to('bookings.created_day', 'bookings.firm_day') }} as days_to_firm,
    case when bookings.is_in_own_currency then bookings.total_amount end as own_amount,
    work.tracked_hours,
    coalesce(tasks.tasks_total, 0) as tasks_total,
    coalesce(tasks.tasks_done, 0) as tasks_done
from {{ ref('int_bookings_as_of') }} as bookings
inner join {{ ref('fct_bookings') }} as made on bookings.booking_id = made.booking_id
left join first_bookings on made.client_id = first_bookings.client_id
left join statuses on bookings.booking_id = statuses.booking_id
left join work on bookings.booking_id = work.booking_id
left join tasks on bookings.booking_id = tasks.booking_id
