select
    id as invoice_id,
    org_id,
    booking_id,
    client_id,
    invoice_number,
    kind as invoice_kind,
    status,
    is_receivable,
    total_amount,
    currency,
    issued_at,
    due_at,
    created_at,
    updated_at,
    _loaded_at
from {{ source('app', 'invoices') }}
where _deleted_at is null
