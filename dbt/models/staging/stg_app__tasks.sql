select
    id as task_id,
    org_id,
    booking_id,
    milestone_id,
    assignee_id,
    title,
    status,
    weight,
    progress_pct,
    estimated_hours,
    due_at,
    completed_at,
    created_at,
    updated_at,
    _loaded_at
from {{ source('app', 'tasks') }}
where _deleted_at is null
