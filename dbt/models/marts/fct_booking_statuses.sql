{{
    config(
        unique_key='booking_id',
        incremental_strategy='delete+insert',
        post_hook="{{ delete_orphans('bookings', 'booking_id', has_booking=false) }}",
        indexes=[
            {'columns': ['booking_id', 'position'], 'unique': true},
            {'columns': ['status_change_id']},
            {'columns': ['_loaded_at']},
            {'columns': ['_booking_loaded_at']},
        ],
    )
}}

-- All rows of a booking are rebuilt if the booking or its history changed.
with bookings as (
    select
        booking_id,
        org_id,
        status,
        created_at,
        known_from,
        updated_at,
        case status_group when 'completed' then completed_at when 'cancelled' then cancelled_at end as ended_at,
        _loaded_at
    from {{ ref('fct_bookings') }}
    {{ only_changed_histories() }}
),

recorded_changes as (
    select
        changes.booking_id,
        changes.status_change_id,
        changes.from_status,
        changes.to_status,
        changes.changed_at,
        changes.is_moment_known,
        changes._loaded_at,
        row_number() over (partition by changes.booking_id order by changes.changed_at, changes.status_change_id)
            as number,
        count(*) over (partition by changes.booking_id) as changes
    from {{ ref('fct_booking_status_changes') }} as changes
    inner join bookings on changes.booking_id = bookings.booking_id
),

-- The status of a booking before its first recorded change and after its last one. A booking without history was
-- confirmed until it ended.
booking_changes as (
    select
        bookings.*,
        first_change.changed_at as first_changed_at,
        last_change.changed_at as last_changed_at,
        case
            when first_change.booking_id is not null then first_change.from_status
            when bookings.ended_at > bookings.known_from then 'confirmed'
            else bookings.status
        end as first_status,
        last_change.to_status as last_status
    from bookings
    left join recorded_changes as first_change
        on bookings.booking_id = first_change.booking_id and first_change.number = 1
    left join recorded_changes as last_change
        on bookings.booking_id = last_change.booking_id and last_change.number = last_change.changes
),

statuses as (
    select
        booking_id,
        first_status as status,
        cast(null as uuid) as status_change_id,
        0 as number,
        known_from as valid_from,
        created_at is not null as is_moment_known
    from booking_changes
    where first_status is not null and (first_changed_at is null or known_from < first_changed_at)
    union all
    select
        recorded_changes.booking_id,
        recorded_changes.to_status as status,
        recorded_changes.status_change_id,
        recorded_changes.number,
        case
            when recorded_changes.number = 1 and recorded_changes.from_status is null
                then least(booking_changes.known_from, recorded_changes.changed_at)
            else recorded_changes.changed_at
        end as valid_from,
        recorded_changes.is_moment_known
    from recorded_changes
    inner join booking_changes on recorded_changes.booking_id = booking_changes.booking_id
    union all
    -- The booking's own status is the last one, even if the history ends in another.
    select
        booking_id,
        status,
        null as status_change_id,
        2147483647 as number,
        greatest(coalesce(ended_at, updated_at), last_changed_at, known_from) as valid_from,
        ended_at is not null as is_moment_known
    from booking_changes
    where coalesce(last_status, first_status) <> status
)

select
    statuses.booking_id,
    booking_changes.org_id,
    row_number() over booking as position,
    statuses.status,
    {{ status_group('statuses.status') }} as status_group,
    lag({{ status_group('statuses.status') }}) over booking as previous_group,
    statuses.valid_from,
    lead(statuses.valid_from) over booking as valid_to,
    statuses.is_moment_known,
    statuses.status_change_id,
    recorded_changes._loaded_at,
    booking_changes._loaded_at as _booking_loaded_at
from statuses
inner join booking_changes on statuses.booking_id = booking_changes.booking_id
left join recorded_changes on statuses.status_change_id = recorded_changes.status_change_id
window booking as (partition by statuses.booking_id order by statuses.valid_from, statuses.number)
