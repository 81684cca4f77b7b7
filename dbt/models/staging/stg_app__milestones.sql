select
    id as milestone_id,
    org_id,
    booking_id,
    title,
    position,
    weight,
    status,
    progress_pct,
    due_at,
    completed_at,
    created_at,
    updated_at,
    _loaded_at
from {{ source('app', 'milestones') }}
where _deleted_at is null
