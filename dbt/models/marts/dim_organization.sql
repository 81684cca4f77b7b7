{{ config(unique_key='org_id') }}

select
    organizations.org_id,
    organizations.organization_name,
    organizations.slug,
    organizations.timezone,
    organizations.country,
    organizations.currency,
    run_clock.as_of,
    run_clock.as_of_at,
    organizations.created_at
from {{ ref('stg_app__organizations') }} as organizations
left join {{ ref('stg_app__run_clock') }} as run_clock on organizations.org_id = run_clock.org_id
