-- A payment for a booking that ended without its service is kept from the day of that end, or of the payment if that is
-- later; a refund reduces the kept amount in the same way. Where either day is unknown, kept_day is unknown.
select
    payments.payment_id,
    payments.booking_id,
    payments.org_id,
    payments.service_id,
    payments.collected_amount as kept_amount,
    case
        when payments.paid_day is not null and bookings.cancelled_day is not null
            then greatest(payments.paid_day, bookings.cancelled_day)
    end as kept_day
from {{ ref('fct_payments') }} as payments
inner join {{ ref('int_bookings_as_of') }} as bookings
    on payments.booking_id = bookings.booking_id and bookings.status_group = 'cancelled'
where
    payments.status = 'succeeded'
    and payments.is_in_own_currency
    and (payments.paid_at is null or payments.paid_at < bookings.seen_at)
