-- The days over which the hours of each firm booking of a provider are spread. Up to as_of they are the planned hours,
-- and after it those of the remaining work: of one that has not begun, the planned ones; of one that is under way, the
-- share that its progress leaves, on the days until its end, or in the coming week if that is past; of one that is
-- delivered, none.
with bookings as (
    select
        bookings.org_id,
        bookings.provider_id,
        bookings.booking_id,
        bookings.service_day as first_day,
        coalesce(bookings.service_end_day, bookings.service_day) as last_day,
        run_clock.as_of,
        bookings.hours,
        -- The progress of a booking without milestones is not recorded.
        coalesce(
            bookings.status in {{ statuses_from('work_begun') }} and states.milestones_total > 0, false
        ) as is_under_way,
        bookings.status in {{ statuses_from('work_rests') }} as is_paused,
        bookings.status_group = 'completed' or bookings.status in {{ statuses_from('work_over') }} as is_over,
        1 - states.progress_pct / 100 as remaining_share
    from {{ ref('int_bookings_as_of') }} as bookings
    inner join {{ ref('stg_app__run_clock') }} as run_clock on bookings.org_id = run_clock.org_id
    left join {{ ref('int_booking_states') }} as states
        on bookings.booking_id = states.booking_id and states.periods_ago = 0
    where
        bookings.provider_id is not null
        and {{ is_firm('bookings.status_group') }}
        and coalesce(bookings.service_end_day, bookings.service_day) >= bookings.service_day
)

select
    org_id,
    provider_id,
    booking_id,
    as_of,
    false as is_remaining,
    cast(hours as numeric(16, 10)) as hours,
    first_day,
    last_day,
    case when is_over or is_under_way then least(last_day, as_of) else last_day end as shown_to
from bookings
where first_day <= as_of or not (is_over or is_under_way)
union all
select
    org_id,
    provider_id,
    booking_id,
    as_of,
    true as is_remaining,
    cast(hours * remaining_share as numeric(16, 10)) as hours,
    greatest(first_day, {{ add_days('as_of', 1) }}) as first_day,
    case when last_day > as_of then last_day else {{ add_days('as_of', var('workload_overdue_days')) }} end as last_day,
    case when last_day > as_of then last_day else {{ add_days('as_of', var('workload_overdue_days')) }} end as shown_to
from bookings
where
    is_under_way
    and remaining_share > 0
    -- It is unknown when a paused booking past its end continues.
    and (last_day > as_of or (not is_paused and last_day >= {{ add_days('as_of', -var('horizon_days')) }}))
