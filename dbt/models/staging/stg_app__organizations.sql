select
    org_id,
    name as organization_name,
    slug,
    timezone,
    country,
    region,
    currency,
    sensitivity,
    locale,
    settings,
    {{ weekdays_as_text('working_days') }} as working_days,
    created_at,
    updated_at,
    _loaded_at
from {{ source('app', 'organizations') }}
where _deleted_at is null
