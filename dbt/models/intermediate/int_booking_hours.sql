-- The hours of a booking are those of its package, or else of its service. Where neither states them, the time between
-- start and end, if that is within one day and no longer than a working day; else they are unknown.
select
    bookings.booking_id,
    cast(coalesce(
        packages.hours_included,
        services.duration_hours,
        case
            when
                bookings.service_end_day = bookings.service_day
                and {{ seconds_from_to('bookings.scheduled_start', 'bookings.scheduled_end') }}
                between 1 and 3600 * {{ var('longest_working_day_hours') }}
                then {{ seconds_from_to('bookings.scheduled_start', 'bookings.scheduled_end') }} / 3600
        end
    ) as numeric(8, 2)) as hours
from {{ ref('fct_bookings') }} as bookings
left join {{ ref('stg_app__service_packages') }} as packages on bookings.package_id = packages.package_id
left join {{ ref('dim_service') }} as services on bookings.service_id = services.service_id
