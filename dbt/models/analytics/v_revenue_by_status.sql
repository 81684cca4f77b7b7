select
    bookings.org_id,
    bookings.status,
    bookings.status_group,
    states.derived_status,
    bookings.currency,
    count(*) as bookings,
    sum(bookings.total_amount) as total_amount,
    sum(states.invoiced_amount) as invoiced_amount,
    sum(states.paid_amount) as paid_amount,
    sum(states.outstanding_amount) as outstanding_amount
from {{ ref('int_bookings_as_of') }} as bookings
inner join {{ ref('int_booking_states') }} as states
    on bookings.booking_id = states.booking_id and bookings.periods_ago = states.periods_ago
group by bookings.org_id, bookings.status, bookings.status_group, states.derived_status, bookings.currency
