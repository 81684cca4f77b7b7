{{
    config(
        unique_key='booking_id',
        incremental_strategy='delete+insert',
        post_hook="{{ delete_orphans('bookings', 'booking_id', has_booking=false) }}",
        indexes=[
            {'columns': ['booking_id'], 'unique': true},
            {'columns': ['org_id', 'created_day']},
            {'columns': ['org_id', 'service_day']},
            {'columns': ['_loaded_at']},
            {'columns': ['_organization_loaded_at']},
        ],
    )
}}

-- Bookings that expired or were declined may have no time of their end: it is then taken from the status history.
with endings as (
    select
        booking_id,
        to_status,
        max(changed_at) as changed_at
    from {{ ref('stg_app__booking_status_history') }}
    where is_moment_known and to_status in {{ statuses('cancelled') }}
    group by booking_id, to_status
),

first_snapshots as (
    select
        booking_id,
        min(recorded_at) as recorded_at
    from {{ ref('booking_terms') }}
    group by booking_id
),

local_days as (
    select
        bookings.*,
        coalesce(
            bookings.created_at,
            least(bookings.earliest_known_at, first_snapshots.recorded_at - interval '1 day')
        ) as known_from,
        organizations._loaded_at as _organization_loaded_at,
        bookings.currency = organizations.currency as is_in_own_currency,
        {{ status_group('bookings.status') }} as status_group,
        {{ local_day('bookings.created_at', 'organizations.timezone') }} as created_day,
        {{ local_day('bookings.scheduled_start', 'organizations.timezone') }} as service_day,
        {{ local_day('bookings.scheduled_end', 'organizations.timezone') }} as service_end_day,
        {{ local_day('bookings.completed_at', 'organizations.timezone') }} as completed_day,
        {{ local_day('coalesce(bookings.cancelled_at, endings.changed_at)', 'organizations.timezone') }} as ended_day
    from {{ ref('stg_app__bookings') }} as bookings
    inner join {{ ref('stg_app__organizations') }} as organizations on bookings.org_id = organizations.org_id
    left join first_snapshots on bookings.booking_id = first_snapshots.booking_id and bookings.created_at is null
    left join endings on bookings.booking_id = endings.booking_id and bookings.status = endings.to_status
    {{ only_changed('bookings', 'booking_id', has_booking=false) }}
    {{ or_changed_end('bookings', 'endings') }}
)

select
    booking_id,
    org_id,
    booking_number,
    client_id,
    provider_id,
    service_id,
    package_id,
    status,
    status_group,
    priority,
    title,
    channel,
    total_amount,
    currency,
    is_in_own_currency,
    scheduled_start,
    scheduled_end,
    progress_pct,
    cancel_reason,
    created_at,
    completed_at,
    cancelled_at,
    updated_at,
    known_from,
    created_day,
    service_day,
    service_end_day,
    completed_day,
    case when status_group = 'cancelled' then ended_day end as cancelled_day,
    {{ days_from_to('created_day', 'service_day') }} as lead_days,
    _loaded_at,
    _organization_loaded_at
from local_days
