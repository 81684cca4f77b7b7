-- The bookings in their state at as_of_at. Every metric of bookings is computed from them.
select
    *,
    cast({{ weekday_of('service_day') }} as text) as service_weekday,
    {{ lead_bucket('lead_days') }} as lead_bucket
from {{ ref('int_bookings_at') }}
where periods_ago = 0
