{{
    config(
        unique_key='booking_id',
        incremental_strategy='delete+insert',
        post_hook="{{ forget_deleted('bookings', 'booking_id', has_booking=false) }}",
        indexes=[
            {'columns': ['booking_id'], 'unique': true},
            {'columns': ['org_id', 'created_day']},
            {'columns': ['org_id', 'service_day']},
            {'columns': ['_loaded_at']},
        ],
    )
}}

with local_days as (
    select
        bookings.*,
        organizations._loaded_at as _organization_loaded_at,
        {{ status_group('bookings.status') }} as status_group,
        {{ local_day('bookings.created_at', 'organizations.timezone') }} as created_day,
        {{ local_day('bookings.scheduled_start', 'organizations.timezone') }} as service_day,
        {{ local_day('bookings.scheduled_end', 'organizations.timezone') }} as service_end_day,
        {{ local_day('bookings.completed_at', 'organizations.timezone') }} as completed_day,
        -- A booking that expired or was declined may carry no moment of it: its last change stands for it.
        {{ local_day('coalesce(bookings.cancelled_at, bookings.updated_at)', 'organizations.timezone') }} as ended_day
    from {{ ref('stg_app__bookings') }} as bookings
    inner join {{ ref('stg_app__organizations') }} as organizations on bookings.org_id = organizations.org_id
    {{ only_changed('bookings', 'booking_id', has_booking=false) }}
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
    total_amount,
    currency,
    scheduled_start,
    scheduled_end,
    progress_pct,
    cancel_reason,
    created_at,
    completed_at,
    cancelled_at,
    updated_at,
    created_day,
    service_day,
    service_end_day,
    completed_day,
    case when status_group = 'cancelled' then ended_day end as cancelled_day,
    {{ days_from_to('created_day', 'service_day') }} as lead_days,
    _loaded_at,
    _organization_loaded_at
from local_days
