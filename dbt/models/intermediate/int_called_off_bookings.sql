-- Firm bookings that were cancelled or moved to another day up to their service day, each with the service day that
-- they left. Moves are known since snapshots of the terms began; the day of a move is that of the booking's change.
with moves as (
    select
        versions.booking_id,
        versions.org_id,
        {{ local_day('versions.scheduled_start', 'organizations.timezone') }} as service_day,
        {{ local_day('next_versions.scheduled_start', 'organizations.timezone') }} as next_service_day,
        {{ local_day('versions.dbt_valid_to', 'organizations.timezone') }} as removed_day
    from {{ ref('booking_terms') }} as versions
    inner join {{ ref('booking_terms') }} as next_versions
        on versions.booking_id = next_versions.booking_id and versions.dbt_valid_to = next_versions.dbt_valid_from
    inner join {{ ref('stg_app__organizations') }} as organizations on versions.org_id = organizations.org_id
    inner join {{ ref('fct_booking_statuses') }} as statuses
        on
            versions.booking_id = statuses.booking_id
            and versions.dbt_valid_to >= statuses.valid_from
            and (statuses.valid_to is null or versions.dbt_valid_to < statuses.valid_to)
    where versions.dbt_valid_to is not null and {{ is_firm('statuses.status_group') }}
)

select
    booking_id,
    org_id,
    service_day,
    removed_day,
    false as is_cancelled
from moves
where removed_day <= service_day and (next_service_day is null or next_service_day <> service_day)
union all
select
    booking_id,
    org_id,
    service_day,
    cancelled_day as removed_day,
    true as is_cancelled
from {{ ref('fct_bookings') }} as bookings
where
    status = 'cancelled'
    and cancelled_day <= service_day
    and exists (
        select 1
        from {{ ref('fct_booking_statuses') }} as statuses
        where statuses.booking_id = bookings.booking_id and {{ is_firm('statuses.status_group') }}
    )
