select
    id as metric_target_id,
    org_id,
    metric,
    dimension,
    member,
    grain,
    starts_on,
    lead(starts_on) over (
        partition by org_id, metric, dimension, member, grain
        order by starts_on
    ) as until_day,
    target,
    created_at,
    updated_at,
    _loaded_at
from {{ source('app', 'metric_targets') }}
where _deleted_at is null
