{% snapshot provider_terms %}
{{
    config(
        strategy='check',
        unique_key='provider_id',
        check_cols=['capacity_hours_per_day', 'working_days', 'is_active'],
        updated_at='_loaded_at',
    )
}}

select
    profile_id as provider_id,
    org_id,
    capacity_hours_per_day,
    working_days,
    is_active,
    updated_at,
    _loaded_at
from {{ ref('stg_app__profiles') }}
where
    role = 'provider'
    or profile_id in (select bookings.provider_id from {{ ref('stg_app__bookings') }} as bookings)

{% endsnapshot %}
