select
    id as payment_id,
    org_id,
    invoice_id,
    booking_id,
    kind,
    status,
    amount,
    signed_amount,
    currency,
    method,
    processor_ref,
    failure_reason,
    paid_at,
    created_at,
    updated_at,
    _loaded_at
from {{ source('app', 'payments') }}
where _deleted_at is null
