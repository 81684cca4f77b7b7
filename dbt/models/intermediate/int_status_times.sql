-- The statuses that bookings left, with the time in each, where both of its ends are known moments.
select
    statuses.booking_id,
    statuses.position,
    statuses.org_id,
    statuses.status,
    statuses.status_group,
    {{ local_day('statuses.valid_to', 'organizations.timezone') }} as left_day,
    cast({{ seconds_from_to('statuses.valid_from', 'statuses.valid_to') }} / 86400 as numeric(16, 6)) as days
from {{ ref('fct_booking_statuses') }} as statuses
inner join {{ ref('fct_booking_statuses') }} as following
    on statuses.booking_id = following.booking_id and statuses.position + 1 = following.position
inner join {{ ref('stg_app__organizations') }} as organizations on statuses.org_id = organizations.org_id
where statuses.is_moment_known and following.is_moment_known
