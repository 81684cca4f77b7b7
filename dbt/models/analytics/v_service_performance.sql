-- One row for each currency in which a service was booked; one in its own currency if it was never booked.
with booked as (
    select
        bookings.service_id,
        bookings.currency,
        count(*) as bookings,
        {{ count_where("bookings.status_group = 'completed'") }} as completed,
        {{ count_where("bookings.status_group = 'cancelled'") }} as cancelled,
        {% for name, status in outcomes() %}
            {{ count_where("bookings.status = '" ~ status ~ "'") }} as {{ name }},
        {% endfor %}
        sum(bookings.total_amount) as booked_revenue,
        sum(case when bookings.is_realized then bookings.total_amount end) as realized_revenue,
        avg(case when {{ is_firm('bookings.status_group') }} then bookings.total_amount end)
            as avg_booking_value,
        sum(courses.tracked_hours) as tracked_hours,
        sum(case when bookings.is_realized then courses.tracked_hours end) as realized_hours
    from {{ ref('int_bookings_as_of') }} as bookings
    left join {{ ref('int_booking_courses') }} as courses on bookings.booking_id = courses.booking_id
    group by bookings.service_id, bookings.currency
),

reviewed as (
    select
        bookings.service_id,
        bookings.currency,
        count(*) as reviews,
        avg(reviews.rating) as avg_rating
    from {{ ref('fct_reviews') }} as reviews
    inner join {{ ref('int_bookings_as_of') }} as bookings
        on reviews.booking_id = bookings.booking_id and reviews.reviewed_at < bookings.seen_at
    group by bookings.service_id, bookings.currency
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
    coalesce(reviewed.reviews, 0) as reviews,
    round(reviewed.avg_rating, 2) as avg_rating,
    {% for name, _ in outcomes() %}
        coalesce(booked.{{ name }}, 0) as {{ name }},
    {% endfor %}
    {{ share('booked.no_shows', 'booked.bookings') }} as no_show_rate
from {{ ref('dim_service') }} as services
left join booked on services.service_id = booked.service_id
left join reviewed on booked.service_id = reviewed.service_id and booked.currency = reviewed.currency
