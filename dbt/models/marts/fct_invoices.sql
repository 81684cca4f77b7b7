{{
    config(
        unique_key='invoice_id',
        incremental_strategy='delete+insert',
        post_hook="{{ delete_orphans('invoices', 'invoice_id') }}",
        indexes=[
            {'columns': ['invoice_id'], 'unique': true},
            {'columns': ['booking_id']},
            {'columns': ['org_id', 'issued_day']},
            {'columns': ['is_in_own_currency', 'org_id']},
            {'columns': ['_loaded_at']},
            {'columns': ['_booking_loaded_at']},
            {'columns': ['_organization_loaded_at']},
        ],
    )
}}

select
    invoices.invoice_id,
    invoices.org_id,
    invoices.booking_id,
    bookings.service_id,
    bookings.provider_id,
    invoices.client_id,
    invoices.invoice_number,
    invoices.invoice_kind,
    invoices.status,
    invoices.total_amount,
    invoices.currency,
    invoices.currency = organizations.currency as is_in_own_currency,
    invoices.issued_at,
    invoices.due_at,
    {{ local_day('invoices.issued_at', 'organizations.timezone') }} as issued_day,
    {{ local_day('invoices.due_at', 'organizations.timezone') }} as due_day,
    invoices.is_receivable as is_invoiced,
    cast(case when invoices.is_receivable then invoices.total_amount else 0 end as numeric(14, 2)) as invoiced_amount,
    invoices._loaded_at,
    bookings._loaded_at as _booking_loaded_at,
    organizations._loaded_at as _organization_loaded_at
from {{ ref('stg_app__invoices') }} as invoices
inner join {{ ref('stg_app__bookings') }} as bookings on invoices.booking_id = bookings.booking_id
inner join {{ ref('stg_app__organizations') }} as organizations on invoices.org_id = organizations.org_id
{{ only_changed('invoices', 'invoice_id') }}
