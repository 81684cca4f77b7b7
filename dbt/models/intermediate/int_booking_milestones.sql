select
    bookings.booking_id,
    bookings.periods_ago,
    count(*) as milestones_total,
    sum(case when {{ was_done('milestones', 'bookings.seen_at') }} then 1 else 0 end) as milestones_done,
    sum(
        case
            when not {{ was_done('milestones', 'bookings.seen_at') }} and milestones.due_at < bookings.seen_at then 1
            else 0
        end
    ) as milestones_past_due,
    min(case when not {{ was_done('milestones', 'bookings.seen_at') }} then milestones.due_at end) as next_due_at
from {{ ref('int_bookings_at') }} as bookings
inner join {{ ref('fct_milestones') }} as milestones on bookings.booking_id = milestones.booking_id
where milestones.status <> 'cancelled'
group by bookings.booking_id, bookings.periods_ago
