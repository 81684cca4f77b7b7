{{
    config(
        unique_key='status_change_id',
        incremental_strategy='delete+insert',
        post_hook="{{ delete_orphans('booking_status_history', 'status_change_id') }}",
        indexes=[
            {'columns': ['status_change_id'], 'unique': true},
            {'columns': ['booking_id']},
            {'columns': ['org_id', 'changed_day']},
            {'columns': ['_loaded_at']},
            {'columns': ['_booking_loaded_at']},
            {'columns': ['_organization_loaded_at']},
        ],
    )
}}

select
    booking_status_history.status_change_id,
    booking_status_history.org_id,
    booking_status_history.booking_id,
    bookings.service_id,
    bookings.provider_id,
    booking_status_history.from_status,
    booking_status_history.to_status,
    {{ status_group('booking_status_history.to_status') }} as to_group,
    booking_status_history.actor_id,
    booking_status_history.reason,
    booking_status_history.changed_at,
    booking_status_history.is_moment_known,
    case
        when booking_status_history.is_moment_known
            then {{ local_day('booking_status_history.changed_at', 'organizations.timezone') }}
    end as changed_day,
    booking_status_history._loaded_at,
    bookings._loaded_at as _booking_loaded_at,
    organizations._loaded_at as _organization_loaded_at
from {{ ref('stg_app__booking_status_history') }} as booking_status_history
inner join {{ ref('stg_app__bookings') }} as bookings on booking_status_history.booking_id = bookings.booking_id
inner join {{ ref('stg_app__organizations') }} as organizations on booking_status_history.org_id = organizations.org_id
{{ only_changed('booking_status_history', 'status_change_id') }}
