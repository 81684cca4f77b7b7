-- In the currency of the booking: invoices and payments in another currency are left out.
with invoices as (
    select
        bookings.booking_id,
        bookings.periods_ago,
        bookings.seen_at,
        invoices.invoice_id,
        invoices.status,
        invoices.invoiced_amount,
        invoices.currency,
        invoices.due_at
    from {{ ref('int_bookings_at') }} as bookings
    inner join {{ ref('fct_invoices') }} as invoices
        on bookings.booking_id = invoices.booking_id and bookings.currency = invoices.currency
    where invoices.issued_at < bookings.seen_at
),

-- A payment counts for the invoice that it names, also if it belongs to another booking.
invoice_payments as (
    select
        invoices.invoice_id,
        invoices.periods_ago,
        sum(payments.collected_amount) as collected_amount,
        sum(case when payments.paid_at >= invoices.seen_at then payments.collected_amount else 0 end)
            as collected_later_amount
    from invoices
    inner join {{ ref('fct_payments') }} as payments
        on invoices.invoice_id = payments.invoice_id and invoices.currency = payments.currency
    group by invoices.invoice_id, invoices.periods_ago
),

balances as (
    select
        invoices.*,
        coalesce(invoice_payments.collected_later_amount, 0) as collected_later_amount,
        invoices.invoiced_amount - coalesce(invoice_payments.collected_amount, 0) as balance
    from invoices
    left join invoice_payments
        on invoices.invoice_id = invoice_payments.invoice_id and invoices.periods_ago = invoice_payments.periods_ago
),

-- If the recorded payments do not cover an invoice in status paid, the rest was paid at an unknown time: it is not
-- outstanding at any moment.
outstanding as (
    select
        balances.*,
        greatest(
            balances.collected_later_amount
            + case when balances.status = 'paid' then least(balances.balance, 0) else balances.balance end,
            0
        ) as outstanding_amount
    from balances
),

invoiced as (
    select
        booking_id,
        periods_ago,
        sum(invoiced_amount) as invoiced_amount,
        sum(outstanding_amount) as outstanding_amount,
        sum(case when due_at < seen_at then outstanding_amount else 0 end) as past_due_amount
    from outstanding
    group by booking_id, periods_ago
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
)

select
    bookings.booking_id,
    bookings.periods_ago,
    {{ as_money('coalesce(invoiced.invoiced_amount, 0)') }} as invoiced_amount,
    {{ as_money('coalesce(paid.paid_amount, 0)') }} as paid_amount,
    {{ as_money('coalesce(invoiced.outstanding_amount, 0)') }} as outstanding_amount,
    {{ as_money('coalesce(invoiced.past_due_amount, 0)') }} as past_due_amount
from {{ ref('int_bookings_at') }} as bookings
left join invoiced
    on bookings.booking_id = invoiced.booking_id and bookings.periods_ago = invoiced.periods_ago
left join paid
    on bookings.booking_id = paid.booking_id and bookings.periods_ago = paid.periods_ago
