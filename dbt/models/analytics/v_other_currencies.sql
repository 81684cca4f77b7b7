-- The amounts that the figures in the organisation's own currency leave out.
with amounts as (
    select
        org_id,
        currency,
        1 as bookings,
        total_amount as booked_revenue,
        case when is_realized then total_amount else 0 end as realized_revenue,
        0 as invoiced_revenue,
        0 as collected_revenue
    from {{ ref('int_bookings_as_of') }}
    where not is_in_own_currency
    union all
    select
        invoices.org_id,
        invoices.currency,
        0 as bookings,
        0 as booked_revenue,
        0 as realized_revenue,
        invoices.invoiced_amount as invoiced_revenue,
        0 as collected_revenue
    from {{ ref('fct_invoices') }} as invoices
    inner join {{ ref('stg_app__run_clock') }} as run_clock
        on invoices.org_id = run_clock.org_id and invoices.issued_at < run_clock.as_of_at
    where not invoices.is_in_own_currency
    union all
    select
        payments.org_id,
        payments.currency,
        0 as bookings,
        0 as booked_revenue,
        0 as realized_revenue,
        0 as invoiced_revenue,
        payments.collected_amount as collected_revenue
    from {{ ref('fct_payments') }} as payments
    inner join {{ ref('stg_app__run_clock') }} as run_clock
        on payments.org_id = run_clock.org_id and payments.paid_at < run_clock.as_of_at
    where not payments.is_in_own_currency
)

select
    org_id,
    currency,
    sum(bookings) as bookings,
    {{ as_money('sum(booked_revenue)') }} as booked_revenue,
    {{ as_money('sum(realized_revenue)') }} as realized_revenue,
    {{ as_money('sum(invoiced_revenue)') }} as invoiced_revenue,
    {{ as_money('sum(collected_revenue)') }} as collected_revenue
from amounts
group by org_id, currency
