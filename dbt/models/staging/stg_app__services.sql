select
    id as service_id,
    org_id,
    name as service_name,
    category,
    base_price,
    currency,
    duration_hours,
    is_active,
    external_ref,
    created_at,
    updated_at,
    _loaded_at
from {{ source('app', 'services') }}
where _deleted_at is null
