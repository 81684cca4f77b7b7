-- In the currency of the booking: amounts in another currency are left out.
with paid_invoices as (
    select
        bookings.booking_id,
        bookings.periods_ago,
        payments.invoice_id,
        sum(payments.collected_amount) as collected_amount,
        sum(case when payments.paid_at >= bookings.seen_at then payments.collected_amount else 0 end)
            as collected_later_amount
    from {{ ref('int_bookings_at') }} as bookings
    inner join {{ ref('fct_payments') }} as payments
        on bookings.booking_id = payments.booking_id and bookings.currency = payments.currency
    where payments.invoice_id is not null
    group by bookings.booking_id, bookings.periods_ago, payments.invoice_id
),

invoices as (
    select
        bookings.booking_id,
        bookings.periods_ago,
        invoices.invoiced_amount,
        case when invoices.due_at < bookings.seen_at then invoices.invoiced_amount else 0 end as due_amount,
        coalesce(paid_invoices.collected_later_amount, 0)
        -- What an invoice in status paid lacks in payments was paid at an unknown time.
        + case
            when invoices.status = 'paid' then 0
            else invoices.invoiced_amount - coalesce(paid_invoices.collected_amount, 0)
        end as unpaid_amount
    from {{ ref('int_bookings_at') }} as bookings
    inner join {{ ref('fct_invoices') }} as invoices
        on bookings.booking_id = invoices.booking_id and bookings.currency = invoices.currency
    left join paid_invoices
        on
            invoices.invoice_id = paid_invoices.invoice_id
            and bookings.periods_ago = paid_invoices.periods_ago
    where invoices.issued_at < bookings.seen_at
),

invoiced as (
    select
        booking_id,
        periods_ago,
        sum(invoiced_amount) as invoiced_amount,
        sum(due_amount) as due_amount,
        sum(greatest(unpaid_amount, 0)) as outstanding_amount
    from invoices
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
),

amounts as (
    select
        bookings.booking_id,
        bookings.periods_ago,
        coalesce(invoiced.invoiced_amount, 0) as invoiced_amount,
        coalesce(invoiced.due_amount, 0) as due_amount,
        coalesce(invoiced.outstanding_amount, 0) as outstanding_amount,
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
    {{ as_money('outstanding_amount') }} as outstanding_amount,
    {{ as_money('greatest(due_amount - paid_amount, 0)') }} as past_due_amount
from amounts
