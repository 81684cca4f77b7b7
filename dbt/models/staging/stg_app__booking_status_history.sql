select
    id as status_change_id,
    org_id,
    booking_id,
    from_status,
    to_status,
    actor_id,
    reason,
    changed_at,
    changed_at_known as is_moment_known,
    created_at,
    updated_at,
    _loaded_at
from {{ source('app', 'booking_status_history') }}
where _deleted_at is null
