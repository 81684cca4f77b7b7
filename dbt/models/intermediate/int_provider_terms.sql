-- Versions of each provider's terms with their first and last business day. The first recorded version is used for the
-- days before it as well, because nothing else is known of them.
with versions as (
    select
        terms.*,
        organizations.timezone,
        row_number() over (partition by terms.provider_id order by terms.dbt_valid_from) as version
    from {{ ref('provider_terms') }} as terms
    inner join {{ ref('stg_app__organizations') }} as organizations on terms.org_id = organizations.org_id
)

select
    org_id,
    provider_id,
    case when version > 1 then {{ local_day('dbt_valid_from', 'timezone') }} end as first_day,
    {{ add_days(local_day('dbt_valid_to', 'timezone'), -1) }} as last_day,
    capacity_hours_per_day,
    working_days,
    -- A provider who was inactive when first recorded became inactive when the profile was last changed.
    case
        when is_active then null
        when version = 1 then {{ local_day('updated_at', 'timezone') }}
        else {{ local_day('dbt_valid_from', 'timezone') }}
    end as inactive_from
from versions
