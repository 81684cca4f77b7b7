{{
    config(
        unique_key='invoice_line_id',
        incremental_strategy='delete+insert',
        post_hook="{{ delete_orphans('invoice_lines', 'invoice_line_id') }}",
        indexes=[
            {'columns': ['invoice_line_id'], 'unique': true},
            {'columns': ['invoice_id']},
            {'columns': ['booking_id']},
            {'columns': ['org_id', 'issued_day']},
            {'columns': ['_loaded_at']},
            {'columns': ['_invoice_loaded_at']},
            {'columns': ['_booking_loaded_at']},
            {'columns': ['_organization_loaded_at']},
        ],
    )
}}

select
    lines.invoice_line_id,
    lines.org_id,
    lines.invoice_id,
    invoices.booking_id,
    invoices.service_id,
    invoices.provider_id,
    invoices.client_id,
    invoices.invoice_kind,
    invoices.is_invoiced,
    invoices.issued_day,
    lines.position,
    lines.description,
    lines.quantity,
    lines.unit_price,
    lines.amount,
    invoices.currency,
    invoices.is_in_own_currency,
    lines._loaded_at,
    invoices._loaded_at as _invoice_loaded_at,
    invoices._booking_loaded_at,
    invoices._organization_loaded_at
from {{ ref('stg_app__invoice_lines') }} as lines
inner join {{ ref('fct_invoices') }} as invoices on lines.invoice_id = invoices.invoice_id
{{ only_changed_lines() }}
