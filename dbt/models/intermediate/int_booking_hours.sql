-- The hours that a booking takes: its package's, or else its service's.
select
    bookings.booking_id,
    coalesce(packages.hours_included, services.duration_hours, 0) as hours
from {{ ref('fct_bookings') }} as bookings
left join {{ ref('stg_app__service_packages') }} as packages on bookings.package_id = packages.package_id
left join {{ ref('dim_service') }} as services on bookings.service_id = services.service_id
