{{ config(unique_key='client_id', indexes=[{'columns': ['client_id'], 'unique': true}]) }}

-- Every client, and every person whom a booking names as its client, whatever the present role is.
select
    profiles.profile_id as client_id,
    profiles.org_id,
    profiles.full_name as client_name,
    profiles.email,
    profiles.client_group,
    profiles.is_active,
    profiles.external_ref,
    profiles.created_at
from {{ ref('stg_app__profiles') }} as profiles
where
    profiles.role = 'client'
    or profiles.profile_id in (select bookings.client_id from {{ ref('stg_app__bookings') }} as bookings)
