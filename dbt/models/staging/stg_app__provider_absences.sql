select
    id as absence_id,
    org_id,
    provider_id,
    starts_on,
    ends_on,
    reason,
    created_at,
    updated_at,
    _loaded_at
from {{ source('app', 'provider_absences') }}
where _deleted_at is null
