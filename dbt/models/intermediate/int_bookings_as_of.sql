-- The bookings in their state at as_of_at. Every metric of bookings is computed from them.
select *
from {{ ref('int_bookings_at') }}
where periods_ago = 0
