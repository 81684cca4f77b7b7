with booked as (
    select
        bookings.service_id,
        count(*) as bookings,
        sum(case when bookings.status_group = 'completed' then 1 else 0 end) as completed,
        sum(case when bookings.status_group = 'cancelled' then 1 else 0 end) as cancelled,
        sum(bookings.total_amount) as booked_revenue,
        avg(case when bookings.status_group <> 'cancelled' then bookings.total_amount end) as avg_booking_value
    from {{ ref('fct_bookings') }} as bookings
    group by bookings.service_id
),

realized as (
    select
        member,
        sum(value) as realized_revenue
    from {{ ref('kpi_daily') }}
    where metric = 'realized_revenue' and dimension = 'service'
    group by member
),

tracked as (
    select
        service_id,
        sum(hours) as tracked_hours
    from {{ ref('fct_time_entries') }}
    group by service_id
),

reviewed as (
    select
        service_id,
        count(*) as reviews,
        avg(rating) as avg_rating
    from {{ ref('fct_reviews') }}
    group by service_id
)

select
    services.org_id,
    services.service_id,
    services.service_name,
    services.category,
    services.currency,
    coalesce(booked.bookings, 0) as bookings,
    coalesce(booked.completed, 0) as completed,
    coalesce(booked.cancelled, 0) as cancelled,
    {{ share('booked.completed', 'booked.bookings') }} as completion_rate,
    {{ share('booked.cancelled', 'booked.bookings') }} as cancellation_rate,
    {{ as_money('coalesce(booked.booked_revenue, 0)') }} as booked_revenue,
    {{ as_money('coalesce(realized.realized_revenue, 0)') }} as realized_revenue,
    {{ as_money('booked.avg_booking_value') }} as avg_booking_value,
    coalesce(tracked.tracked_hours, 0) as tracked_hours,
    {{ share('realized.realized_revenue', 'tracked.tracked_hours', digits=2) }} as revenue_per_hour,
    coalesce(reviewed.reviews, 0) as reviews,
    round(reviewed.avg_rating, 2) as avg_rating
from {{ ref('dim_service') }} as services
left join booked on services.service_id = booked.service_id
left join realized on cast(services.service_id as text) = realized.member
left join tracked on services.service_id = tracked.service_id
left join reviewed on services.service_id = reviewed.service_id
