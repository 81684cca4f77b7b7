{{ config(materialized='view') }}

select
    metric_target_id,
    org_id,
    metric,
    dimension,
    member,
    grain,
    starts_on,
    until_day,
    target
from {{ ref('stg_app__metric_targets') }}
