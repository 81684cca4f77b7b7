-- The bookings in their state at as_of_at. Every metric of bookings is computed from them.
select
    *,
    cast({{ weekday_of('service_day') }} as text) as service_weekday,
    {{ lead_bucket('lead_days') }} as lead_bucket,
    {{ days_from_to('service_day', 'completed_day') }} as days_to_completion,
    {{ days_from_to('service_day', 'cancelled_day') }} as days_to_end
from {{ ref('int_bookings_at') }}
where periods_ago = 0
