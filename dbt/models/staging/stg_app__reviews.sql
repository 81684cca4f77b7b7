select
    id as review_id,
    org_id,
    booking_id,
    client_id,
    provider_id,
    rating,
    comment,
    reviewed_at,
    created_at,
    updated_at,
    _loaded_at
from {{ source('app', 'reviews') }}
where _deleted_at is null
