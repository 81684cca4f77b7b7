-- One row for each currency in which a service was booked; one in its own currency if it was never booked.
with booked as (
    select
        outcomes.org_id,
        outcomes.service_id,
        outcomes.currency,
        {{ outcome_counts() }},
        {{ service_sums() }}
    from {{ ref('fct_booking_outcomes') }} as outcomes
    group by outcomes.org_id, outcomes.service_id, outcomes.currency
)

select
    services.org_id,
    services.service_id,
    services.service_name,
    services.category,
    coalesce(booked.currency, services.currency) as currency,
    coalesce(booked.bookings, 0) as bookings,
    coalesce(booked.completed, 0) as completed,
    coalesce(booked.cancelled, 0) as cancelled,
    {{ share('booked.completed', 'booked.bookings') }} as completion_rate,
    {{ share('booked.cancellations', 'booked.bookings') }} as cancellation_rate,
    {{ as_money('coalesce(booked.booked_revenue, 0)') }} as booked_revenue,
    {{ as_money('coalesce(booked.realized_revenue, 0)') }} as realized_revenue,
    {{ as_money('booked.avg_booking_value') }} as avg_booking_value,
    cast(coalesce(booked.tracked_hours, 0) as numeric(12, 4)) as tracked_hours,
    -- Hours of cancelled bookings bring in no revenue, and those of future bookings none yet.
    {{ share('booked.realized_revenue', 'booked.realized_hours', digits=2) }} as revenue_per_hour,
    coalesce(booked.reviews, 0) as reviews,
    booked.avg_rating,
    {% for name, _ in outcomes() %}
        coalesce(booked.{{ name }}, 0) as {{ name }},
    {% endfor %}
    {{ share('booked.no_shows', 'booked.bookings') }} as no_show_rate
from {{ ref('dim_service') }} as services
left join booked on services.service_id = booked.service_id
