select
    id as approval_id,
    org_id,
    booking_id,
    milestone_id,
    level,
    approver_id,
    status,
    reason,
    decided_at,
    created_at,
    updated_at,
    _loaded_at
from {{ source('app', 'approvals') }}
where _deleted_at is null
