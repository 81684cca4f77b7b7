with booked as (
    select
        bookings.service_id,
        bookings.service_name,
        bookings.service_category,
        bookings.currency,
        count(*) as bookings,
        {{ count_where("bookings.status_group = 'completed'") }} as completed,
        {{ count_where("bookings.status_group = 'cancelled'") }} as cancelled,
        {% for name, status in outcomes() %}
            {{ count_where("bookings.status = '" ~ status ~ "'") }} as {{ name }},
        {% endfor %}
        sum(bookings.total_amount) as booked_revenue,
        coalesce(sum(case when bookings.is_realized then bookings.total_amount end), 0) as realized_revenue,
        avg(case when {{ is_firm('bookings.status_group') }} then bookings.total_amount end) as avg_booking_value,
        sum(bookings.tracked_hours) as tracked_hours,
        sum(case when bookings.is_realized then bookings.tracked_hours end) as realized_hours,
        count(bookings.rating) as reviews,
        avg(bookings.rating) as avg_rating
    from {{ ref('bookings_full_view') }} as bookings
    where bookings.org_id = p_org_id and bookings.created_day between p_from and p_to
    group by bookings.service_id, bookings.service_name, bookings.service_category, bookings.currency
)

select
    booked.service_id,
    booked.service_name,
    booked.service_category,
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
    round(booked.avg_booking_value, 2) as avg_booking_value,
    booked.tracked_hours,
    {{ share('booked.realized_revenue', 'booked.realized_hours', digits=2) }} as revenue_per_hour,
    booked.reviews,
    round(booked.avg_rating, 2) as avg_rating
from booked
order by booked.realized_revenue desc, booked.service_name asc, booked.service_id asc, booked.currency asc
