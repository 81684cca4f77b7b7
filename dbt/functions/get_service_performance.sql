with booked as (
    select
        outcomes.service_id,
        outcomes.currency,
        {{ outcome_counts() }},
        {{ service_sums() }}
    from {{ ref('fct_booking_outcomes') }} as outcomes
    where outcomes.org_id = p_org_id and outcomes.created_day between p_from and p_to
    group by outcomes.service_id, outcomes.currency
)

select
    booked.service_id,
    services.service_name,
    services.category as service_category,
    booked.currency,
    booked.bookings,
    booked.completed,
    booked.cancelled,
    {% for name, _ in outcomes() %}
        booked.{{ name }},
    {% endfor %}
    {{ share('booked.completed', 'booked.bookings') }} as completion_rate,
    {{ share('booked.cancellations', 'booked.bookings') }} as cancellation_rate,
    {{ share('booked.no_shows', 'booked.bookings') }} as no_show_rate,
    booked.booked_revenue,
    booked.realized_revenue,
    booked.avg_booking_value,
    booked.tracked_hours,
    {{ share('booked.realized_revenue', 'booked.realized_hours', digits=2) }} as revenue_per_hour,
    booked.reviews,
    booked.avg_rating
from booked
left join {{ ref('dim_service') }} as services on booked.service_id = services.service_id
order by booked.realized_revenue desc, services.service_name asc, booked.service_id asc, booked.currency asc
