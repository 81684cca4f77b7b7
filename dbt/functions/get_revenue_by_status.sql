select
    bookings.status,
    bookings.status_group,
    bookings.derived_status,
    bookings.currency,
    count(*) as bookings,
    sum(bookings.total_amount) as total_amount,
    sum(bookings.invoiced_amount) as invoiced_amount,
    sum(bookings.paid_amount) as paid_amount,
    sum(bookings.outstanding_amount) as outstanding_amount
from {{ ref('bookings_full_view') }} as bookings
where bookings.org_id = p_org_id and bookings.created_day between p_from and p_to
group by bookings.status, bookings.status_group, bookings.derived_status, bookings.currency
order by bookings.status, bookings.derived_status, bookings.currency
