-- In the currency of the booking: an amount in another one is no part of it.
with invoiced as (
    select
        bookings.booking_id,
        bookings.periods_ago,
        sum(invoices.invoiced_amount) as invoiced_amount,
        sum(case when invoices.due_at < bookings.seen_at then invoices.invoiced_amount else 0 end) as due_amount
    from {{ ref('int_bookings_at') }} as bookings
    inner join {{ ref('fct_invoices') }} as invoices
        on bookings.booking_id = invoices.booking_id and bookings.currency = invoices.currency
    where invoices.issued_at < bookings.seen_at
    group by bookings.booking_id, bookings.periods_ago
),

paid as (
    select
        bookings.booking_id,
        bookings.periods_ago,
        sum(payments.collected_amount) as paid_amount
    from {{ ref('int_bookings_at') }} as bookings
    inner join {{ ref('fct_payments') }} as payments
        on bookings.booking_id = payments.booking_id and bookings.currency = payments.currency
    where payments.paid_at is null or payments.paid_at < bookings.seen_at
    group by bookings.booking_id, bookings.periods_ago
),

amounts as (
    select
        bookings.booking_id,
        bookings.periods_ago,
        coalesce(invoiced.invoiced_amount, 0) as invoiced_amount,
        coalesce(invoiced.due_amount, 0) as due_amount,
        coalesce(paid.paid_amount, 0) as paid_amount
    from {{ ref('int_bookings_at') }} as bookings
    left join invoiced
        on bookings.booking_id = invoiced.booking_id and bookings.periods_ago = invoiced.periods_ago
    left join paid
        on bookings.booking_id = paid.booking_id and bookings.periods_ago = paid.periods_ago
)

select
    booking_id,
    periods_ago,
    {{ as_money('invoiced_amount') }} as invoiced_amount,
    {{ as_money('paid_amount') }} as paid_amount,
    {{ as_money('invoiced_amount - paid_amount') }} as outstanding_amount,
    {{ as_money('greatest(due_amount - paid_amount, 0)') }} as past_due_amount
from amounts
