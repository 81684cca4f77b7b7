select
    org_id,
    status,
    status_group,
    derived_status,
    currency,
    sum(bookings) as bookings,
    sum(total_amount) as total_amount,
    sum(invoiced_amount) as invoiced_amount,
    sum(paid_amount) as paid_amount,
    sum(outstanding_amount) as outstanding_amount
from {{ ref('fct_booking_outcomes') }}
group by org_id, status, status_group, derived_status, currency
