select
    id as profile_id,
    org_id,
    role,
    full_name,
    email,
    client_group,
    capacity_hours_per_day,
    is_active,
    {{ weekdays_as_text('working_days') }} as working_days,
    external_ref,
    created_at,
    updated_at,
    _loaded_at
from {{ source('app', 'profiles') }}
where _deleted_at is null
