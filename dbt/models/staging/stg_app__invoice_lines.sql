select
    id as invoice_line_id,
    org_id,
    invoice_id,
    position,
    description,
    quantity,
    unit_price,
    amount,
    created_at,
    updated_at,
    _loaded_at
from {{ source('app', 'invoice_lines') }}
where _deleted_at is null
