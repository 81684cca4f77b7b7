with invoiced as (
    select
        booking_id,
        sum(invoiced_amount) as invoiced_amount
    from {{ ref('fct_invoices') }}
    group by booking_id
),

paid as (
    select
        booking_id,
        sum(collected_amount) as paid_amount
    from {{ ref('fct_payments') }}
    group by booking_id
)

select
    bookings.booking_id,
    {{ as_money('coalesce(invoiced.invoiced_amount, 0)') }} as invoiced_amount,
    {{ as_money('coalesce(paid.paid_amount, 0)') }} as paid_amount,
    {{ as_money('coalesce(invoiced.invoiced_amount, 0) - coalesce(paid.paid_amount, 0)') }} as outstanding_amount
from {{ ref('fct_bookings') }} as bookings
left join invoiced on bookings.booking_id = invoiced.booking_id
left join paid on bookings.booking_id = paid.booking_id
