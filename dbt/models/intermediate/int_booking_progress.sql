-- Only the present progress is recorded. At an earlier moment it was less by what has been completed since.
with tasks as (
    select
        tasks.milestone_id,
        bookings.periods_ago,
        sum(tasks.weight) as weight,
        sum(case when {{ was_done('tasks', 'bookings.seen_at') }} then tasks.weight else 0 end) as done_weight,
        sum(
            case when tasks.is_done and not {{ was_done('tasks', 'bookings.seen_at') }} then tasks.weight else 0 end
        ) as done_since_weight
    from {{ ref('int_bookings_at') }} as bookings
    inner join {{ ref('fct_tasks') }} as tasks on bookings.booking_id = tasks.booking_id
    where bookings.status_group = 'ongoing' and tasks.status <> 'cancelled'
    group by tasks.milestone_id, bookings.periods_ago
),

milestones as (
    select
        bookings.booking_id,
        bookings.periods_ago,
        milestones.weight,
        case
            when milestones.is_done and not {{ was_done('milestones', 'bookings.seen_at') }}
                then 100 - 100 * coalesce(tasks.done_weight / tasks.weight, 0)
            else 100 * coalesce(tasks.done_since_weight / tasks.weight, 0)
        end as gained_since
    from {{ ref('int_bookings_at') }} as bookings
    inner join {{ ref('fct_milestones') }} as milestones on bookings.booking_id = milestones.booking_id
    left join tasks
        on milestones.milestone_id = tasks.milestone_id and bookings.periods_ago = tasks.periods_ago
    where bookings.status_group = 'ongoing' and milestones.status <> 'cancelled'
),

gains as (
    select
        booking_id,
        periods_ago,
        sum(gained_since * weight) / sum(weight) as gained_since
    from milestones
    group by booking_id, periods_ago
)

select
    bookings.booking_id,
    bookings.periods_ago,
    cast(greatest(current_bookings.progress_pct - coalesce(gains.gained_since, 0), 0) as numeric(5, 2)) as progress_pct
from {{ ref('int_bookings_at') }} as bookings
inner join {{ ref('fct_bookings') }} as current_bookings
    on bookings.booking_id = current_bookings.booking_id
left join gains on bookings.booking_id = gains.booking_id and bookings.periods_ago = gains.periods_ago
