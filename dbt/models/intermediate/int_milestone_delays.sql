-- Milestones with a due day, in their state at the end of as_of: how far each has slipped, and whether the milestone
-- before it in the booking was behind: on the evening before its own due day, or at as_of where that is earlier.
-- Milestones done at an unknown time, and those of cancelled bookings, are left out.
with milestones as (
    select
        milestones.milestone_id,
        milestones.org_id,
        milestones.booking_id,
        milestones.service_id,
        milestones.provider_id,
        milestones.position,
        milestones.title,
        milestones.due_day,
        run_clock.as_of,
        bookings.total_amount,
        bookings.is_in_own_currency,
        bookings.status_group,
        case when milestones.is_done and milestones.completed_day <= run_clock.as_of then milestones.completed_day end
            as done_day,
        milestones.is_done and milestones.completed_day is null as is_done_sometime
    from {{ ref('fct_milestones') }} as milestones
    inner join {{ ref('int_bookings_as_of') }} as bookings on milestones.booking_id = bookings.booking_id
    inner join {{ ref('stg_app__run_clock') }} as run_clock on milestones.org_id = run_clock.org_id
    where
        milestones.status <> 'cancelled'
        and milestones.due_day is not null
        and bookings.status_group in ('ongoing', 'completed')
),

ordered as (
    select
        milestones.*,
        case
            when milestones.done_day is not null
                then greatest({{ days_from_to('milestones.due_day', 'milestones.done_day') }}, 0)
            when milestones.due_day < milestones.as_of
                then {{ days_from_to('milestones.due_day', 'milestones.as_of') }}
        end as slipped_days,
        lag(milestones.due_day) over booking as previous_due_day,
        lag(milestones.done_day) over booking as previous_done_day,
        least({{ add_days('milestones.due_day', -1) }}, milestones.as_of) as foretold_day
    from milestones
    where not milestones.is_done_sometime
    window booking as (partition by milestones.booking_id order by milestones.position)
)

select
    milestone_id,
    org_id,
    booking_id,
    service_id,
    provider_id,
    position,
    title,
    due_day,
    done_day,
    done_day is null and status_group = 'ongoing' as is_open,
    slipped_days,
    coalesce(slipped_days > {{ var('milestone_tolerance_days') }}, false) as is_late,
    coalesce(
        least(coalesce(previous_done_day, foretold_day), foretold_day)
        > {{ add_days('previous_due_day', var('milestone_tolerance_days')) }},
        false
    ) as is_behind,
    case when is_in_own_currency then total_amount end as booking_amount
from ordered
