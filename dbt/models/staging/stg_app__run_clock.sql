select
    org_id,
    as_of,
    as_of_at
from {{ source('app', 'run_clock') }}
