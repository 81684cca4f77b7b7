-- Invoices that repeat an earlier one of their kind. Instalments of equal amounts are further apart; where a client
-- paid both, both were meant.
select
    invoices.invoice_id,
    invoices.org_id,
    invoices.booking_id,
    invoices.client_id,
    invoices.invoice_number,
    invoices.issued_day,
    invoices.invoiced_amount,
    min(earlier.invoice_number) as earlier_invoice_number
from {{ ref('fct_invoices') }} as invoices
inner join {{ ref('fct_invoices') }} as earlier
    on
        invoices.booking_id = earlier.booking_id
        and invoices.invoice_kind = earlier.invoice_kind
        and invoices.total_amount = earlier.total_amount
        and (invoices.issued_at, invoices.invoice_number) > (earlier.issued_at, earlier.invoice_number)
        and earlier.issued_day >= {{ add_days('invoices.issued_day', -var('repeated_invoice_days')) }}
where
    invoices.is_invoiced
    and earlier.is_invoiced
    and invoices.is_in_own_currency
    and earlier.is_in_own_currency
    and invoices.total_amount > 0
    and not (invoices.status = 'paid' and earlier.status = 'paid')
group by
    invoices.invoice_id,
    invoices.org_id,
    invoices.booking_id,
    invoices.client_id,
    invoices.invoice_number,
    invoices.issued_day,
    invoices.invoiced_amount
