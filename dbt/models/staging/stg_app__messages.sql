select
    id as message_id,
    org_id,
    booking_id,
    sender_id,
    body,
    sent_at,
    read_at,
    created_at,
    updated_at,
    _loaded_at
from {{ source('app', 'messages') }}
where _deleted_at is null
