{{
    config(
        unique_key='time_entry_id',
        incremental_strategy='delete+insert',
        post_hook="{{ delete_orphans('time_entries', 'time_entry_id') }}",
        indexes=[
            {'columns': ['time_entry_id'], 'unique': true},
            {'columns': ['booking_id']},
            {'columns': ['org_id', 'started_day']},
            {'columns': ['_loaded_at']},
            {'columns': ['_booking_loaded_at']},
            {'columns': ['_organization_loaded_at']},
        ],
    )
}}

select
    time_entries.time_entry_id,
    time_entries.org_id,
    time_entries.booking_id,
    bookings.service_id,
    time_entries.task_id,
    time_entries.provider_id,
    time_entries.started_at,
    time_entries.ended_at,
    time_entries.billable,
    {{ local_day('time_entries.started_at', 'organizations.timezone') }} as started_day,
    cast({{ seconds_from_to('time_entries.started_at', 'time_entries.ended_at') }} / 3600 as numeric(12, 4)) as hours,
    time_entries._loaded_at,
    bookings._loaded_at as _booking_loaded_at,
    organizations._loaded_at as _organization_loaded_at
from {{ ref('stg_app__time_entries') }} as time_entries
inner join {{ ref('stg_app__bookings') }} as bookings on time_entries.booking_id = bookings.booking_id
inner join {{ ref('stg_app__organizations') }} as organizations on time_entries.org_id = organizations.org_id
{{ only_changed('time_entries', 'time_entry_id') }}
