-- The bookings in their state at the end of as_of: every figure as of as_of counts these.
select *
from {{ ref('int_bookings_at') }}
where periods_ago = 0
