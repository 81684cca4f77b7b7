-- Invoices in the organisation's own currency with an open amount at the end of as_of.
select
    invoices.org_id,
    run_clock.as_of,
    invoices.invoice_id,
    invoices.invoice_number,
    invoices.booking_id,
    invoices.client_id,
    clients.client_name,
    invoices.issued_day,
    invoices.due_day,
    greatest({{ days_from_to('invoices.due_day', 'run_clock.as_of') }}, 0) as days_overdue,
    case
        when invoices.due_day is null or invoices.due_day >= run_clock.as_of then 'not due'
        when invoices.due_day >= {{ add_days('run_clock.as_of', -30) }} then '1-30 days'
        when invoices.due_day >= {{ add_days('run_clock.as_of', -60) }} then '31-60 days'
        when invoices.due_day >= {{ add_days('run_clock.as_of', -90) }} then '61-90 days'
        else 'over 90 days'
    end as age,
    cast(invoices.invoiced_amount as numeric(18, 2)) as invoiced_amount,
    spans.open_amount
from {{ ref('fct_receivables') }} as spans
inner join {{ ref('fct_invoices') }} as invoices on spans.invoice_id = invoices.invoice_id
inner join {{ ref('stg_app__run_clock') }} as run_clock on spans.org_id = run_clock.org_id
left join {{ ref('dim_client') }} as clients on invoices.client_id = clients.client_id
where
    spans.first_day <= run_clock.as_of
    and (spans.until_day is null or spans.until_day > run_clock.as_of)
