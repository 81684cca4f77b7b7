select
    bookings.org_id,
    bookings.booking_id,
    current_bookings.booking_number,
    clients.client_name,
    providers.provider_name,
    services.service_name,
    bookings.status,
    states.derived_status,
    states.progress_pct,
    states.milestones_total,
    states.milestones_done,
    bookings.total_amount,
    states.invoiced_amount,
    states.paid_amount,
    states.outstanding_amount,
    bookings.currency,
    bookings.created_at,
    bookings.scheduled_start,
    bookings.scheduled_end,
    bookings.completed_at,
    states.last_activity_at,
    states.overdue_reason
from {{ ref('int_bookings_as_of') }} as bookings
inner join {{ ref('int_booking_states') }} as states
    on bookings.booking_id = states.booking_id and bookings.periods_ago = states.periods_ago
inner join {{ ref('fct_bookings') }} as current_bookings
    on bookings.booking_id = current_bookings.booking_id
left join {{ ref('dim_client') }} as clients on current_bookings.client_id = clients.client_id
left join {{ ref('dim_provider') }} as providers on bookings.provider_id = providers.provider_id
left join {{ ref('dim_service') }} as services on bookings.service_id = services.service_id
