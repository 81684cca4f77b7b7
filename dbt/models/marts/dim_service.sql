{{ config(unique_key='service_id') }}

select
    service_id,
    org_id,
    service_name,
    category,
    base_price,
    currency,
    duration_hours,
    is_active,
    external_ref,
    created_at
from {{ ref('stg_app__services') }}
