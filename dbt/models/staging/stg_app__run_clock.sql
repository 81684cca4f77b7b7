select
    org_id,
    as_of,
    as_of_at,
    first_day,
    last_day,
    has_ended
from {{ source('app', 'run_clock') }}
