{{
    config(
        unique_key='payment_id',
        incremental_strategy='delete+insert',
        post_hook="{{ delete_orphans('payments', 'payment_id') }}",
        indexes=[
            {'columns': ['payment_id'], 'unique': true},
            {'columns': ['booking_id']},
            {'columns': ['org_id', 'paid_day']},
            {'columns': ['is_in_own_currency', 'org_id']},
            {'columns': ['_loaded_at']},
            {'columns': ['_booking_loaded_at']},
            {'columns': ['_organization_loaded_at']},
        ],
    )
}}

select
    payments.payment_id,
    payments.org_id,
    payments.booking_id,
    bookings.service_id,
    bookings.provider_id,
    payments.invoice_id,
    bookings.client_id,
    payments.kind,
    payments.status,
    payments.amount,
    payments.currency,
    payments.currency = organizations.currency as is_in_own_currency,
    payments.method,
    payments.failure_reason,
    payments.paid_at,
    {{ local_day('payments.paid_at', 'organizations.timezone') }} as paid_day,
    {{ local_day('coalesce(payments.paid_at, payments.created_at)', 'organizations.timezone') }} as attempted_day,
    cast(
        case when payments.status = 'succeeded' then payments.signed_amount else 0 end as numeric(14, 2)
    ) as collected_amount,
    payments._loaded_at,
    bookings._loaded_at as _booking_loaded_at,
    organizations._loaded_at as _organization_loaded_at
from {{ ref('stg_app__payments') }} as payments
inner join {{ ref('stg_app__bookings') }} as bookings on payments.booking_id = bookings.booking_id
inner join {{ ref('stg_app__organizations') }} as organizations on payments.org_id = organizations.org_id
{{ only_changed('payments', 'payment_id') }}
