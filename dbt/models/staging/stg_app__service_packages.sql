select
    id as package_id,
    org_id,
    service_id,
    name as package_name,
    price,
    currency,
    hours_included,
    created_at,
    updated_at,
    _loaded_at
from {{ source('app', 'service_packages') }}
where _deleted_at is null
