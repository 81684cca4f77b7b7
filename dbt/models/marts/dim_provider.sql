{{ config(unique_key='provider_id') }}

-- Every provider, and every person whom a booking names as its provider, whatever the present role is.
select
    profiles.profile_id as provider_id,
    profiles.org_id,
    profiles.full_name as provider_name,
    profiles.email,
    profiles.capacity_hours_per_day,
    profiles.is_active,
    profiles.external_ref,
    profiles.created_at
from {{ ref('stg_app__profiles') }} as profiles
where
    profiles.role = 'provider'
    or profiles.profile_id in (select bookings.provider_id from {{ ref('stg_app__bookings') }} as bookings)
