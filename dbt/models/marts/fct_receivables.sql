{{
    config(
        unique_key=['invoice_id', 'first_day'],
        indexes=[
            {'columns': ['invoice_id', 'first_day'], 'unique': true},
            {'columns': ['org_id', 'first_day']},
        ],
    )
}}

-- What was open of each invoice, from one payment to the next. A refund opens no invoice again: the client paid it.
-- If the payments do not cover an invoice in status paid, the rest was paid at an unknown time, and is open on no
-- day. A payment without a day is taken as made when the invoice was issued.
with payments as (
    select
        invoices.invoice_id,
        greatest(payments.paid_day, invoices.issued_day) as day,
        sum(payments.collected_amount) as amount
    from {{ ref('fct_invoices') }} as invoices
    inner join {{ ref('fct_payments') }} as payments
        on invoices.invoice_id = payments.invoice_id and invoices.currency = payments.currency
    where payments.kind = 'payment' and payments.status = 'succeeded'
    group by 1, 2
),

paid as (
    select
        invoice_id,
        sum(amount) as amount
    from payments
    group by invoice_id
),

payables as (
    select
        invoices.invoice_id,
        invoices.issued_day,
        case
            when invoices.status = 'paid' then least(invoices.invoiced_amount, coalesce(paid.amount, 0))
            else invoices.invoiced_amount
        end as amount
    from {{ ref('fct_invoices') }} as invoices
    left join paid on invoices.invoice_id = paid.invoice_id
    where invoices.is_invoiced and invoices.is_in_own_currency and invoices.issued_day is not null
),

changes as (
    select
        invoice_id,
        issued_day as day,
        amount
    from payables
    union all
    select
        payments.invoice_id,
        coalesce(payments.day, payables.issued_day) as day,
        -payments.amount as amount
    from payments
    inner join payables on payments.invoice_id = payables.invoice_id
),

days as (
    select
        invoice_id,
        day,
        sum(amount) as amount
    from changes
    group by 1, 2
),

balances as (
    select
        invoice_id,
        day as first_day,
        lead(day) over invoice as until_day,
        sum(amount) over invoice as open_amount
    from days
    window invoice as (partition by invoice_id order by day)
)

select
    balances.invoice_id,
    invoices.org_id,
    invoices.booking_id,
    invoices.client_id,
    invoices.service_id,
    invoices.provider_id,
    invoices.issued_day,
    invoices.due_day,
    balances.first_day,
    balances.until_day,
    {{ as_money('balances.open_amount') }} as open_amount
from balances
inner join {{ ref('fct_invoices') }} as invoices on balances.invoice_id = invoices.invoice_id
where balances.open_amount > 0
