select
    id as time_entry_id,
    org_id,
    booking_id,
    task_id,
    provider_id,
    started_at,
    ended_at,
    billable,
    created_at,
    updated_at,
    _loaded_at
from {{ source('app', 'time_entries') }}
where _deleted_at is null
