select
    bookings.org_id,
    organizations.organization_name,
    bookings.booking_id,
    current_bookings.booking_number,
    current_bookings.title,
    bookings.status,
    states.derived_status,
    current_bookings.priority,
    current_bookings.client_id,
    clients.client_name,
    clients.email as client_email,
    clients.client_group,
    bookings.provider_id,
    providers.provider_name,
    bookings.service_id,
    services.service_name,
    services.category as service_category,
    current_bookings.package_id,
    packages.package_name,
    bookings.total_amount,
    bookings.currency,
    states.invoiced_amount,
    states.paid_amount,
    states.outstanding_amount,
    states.progress_pct,
    states.milestones_total,
    states.milestones_done,
    states.milestones_past_due,
    states.next_due_at,
    coalesce(courses.tasks_total, 0) as tasks_total,
    coalesce(courses.tasks_done, 0) as tasks_done,
    coalesce(courses.tracked_hours, 0) as tracked_hours,
    reviews.rating,
    bookings.created_at,
    bookings.scheduled_start,
    bookings.scheduled_end,
    bookings.completed_at,
    bookings.cancelled_at,
    current_bookings.cancel_reason,
    bookings.created_day,
    bookings.service_day,
    bookings.completed_day,
    bookings.cancelled_day,
    bookings.lead_days,
    states.last_activity_at,
    current_bookings.updated_at,
    states.overdue_reason,
    bookings.status_group,
    bookings.is_realized,
    bookings.delivered_at,
    bookings.delivered_day,
    bookings.service_end_day
from {{ ref('int_bookings_as_of') }} as bookings
inner join {{ ref('int_booking_states') }} as states
    on bookings.booking_id = states.booking_id and bookings.periods_ago = states.periods_ago
inner join {{ ref('fct_bookings') }} as current_bookings
    on bookings.booking_id = current_bookings.booking_id
left join {{ ref('dim_organization') }} as organizations on bookings.org_id = organizations.org_id
left join {{ ref('dim_client') }} as clients on current_bookings.client_id = clients.client_id
left join {{ ref('dim_provider') }} as providers on bookings.provider_id = providers.provider_id
left join {{ ref('dim_service') }} as services on bookings.service_id = services.service_id
left join {{ ref('stg_app__service_packages') }} as packages on current_bookings.package_id = packages.package_id
left join {{ ref('fct_reviews') }} as reviews
    on bookings.booking_id = reviews.booking_id and bookings.seen_at > reviews.reviewed_at
left join {{ ref('int_booking_courses') }} as courses on bookings.booking_id = courses.booking_id
