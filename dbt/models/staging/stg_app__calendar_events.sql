select
    id as calendar_event_id,
    org_id,
    kind,
    title,
    starts_on,
    ends_on,
    service_id,
    provider_id,
    expected_effect,
    created_at,
    updated_at,
    _loaded_at
from {{ source('app', 'calendar_events') }}
where _deleted_at is null
