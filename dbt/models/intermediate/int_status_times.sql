-- The pending and ongoing statuses that bookings had up to as_of_at, with the time in each that has ended by then.
-- Those of which the beginning or the end is at an unknown moment are left out.
with statuses as (
    select
        statuses.*,
        statuses.valid_to < run_clock.as_of_at as has_ended,
        organizations.timezone
    from {{ ref('fct_booking_statuses') }} as statuses
    inner join {{ ref('stg_app__organizations') }} as organizations on statuses.org_id = organizations.org_id
    inner join {{ ref('stg_app__run_clock') }} as run_clock on statuses.org_id = run_clock.org_id
    where
        statuses.status_group in ('pending', 'ongoing')
        and statuses.is_moment_known
        and statuses.valid_from < run_clock.as_of_at
)

select
    statuses.booking_id,
    statuses.position,
    statuses.org_id,
    statuses.status,
    statuses.status_group,
    {{ local_day('statuses.valid_from', 'statuses.timezone') }} as entered_day,
    case when statuses.has_ended then {{ local_day('statuses.valid_to', 'statuses.timezone') }} end as left_day,
    case
        when statuses.has_ended
            then cast({{ seconds_from_to('statuses.valid_from', 'statuses.valid_to') }} / 86400 as numeric(16, 6))
    end as days
from statuses
left join {{ ref('fct_booking_statuses') }} as following
    on
        statuses.org_id = following.org_id
        and statuses.booking_id = following.booking_id
        and statuses.position + 1 = following.position
where coalesce(following.is_moment_known, true)
