-- The bookings as they stood at the end of as_of: what every figure that speaks of as_of counts.
select *
from {{ ref('int_bookings_at') }}
where periods_ago = 0
