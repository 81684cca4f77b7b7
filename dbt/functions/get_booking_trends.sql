with periods as (
    select
        {{ first_day_of_grain('trends.day') }} as period_start,
        sum(trends.bookings_created) as bookings_created,
        sum(trends.bookings_completed) as bookings_completed,
        sum(trends.bookings_cancelled) as bookings_cancelled,
        sum(trends.booked_revenue) as booked_revenue,
        sum(trends.realized_revenue) as realized_revenue,
        sum(trends.collected_revenue) as collected_revenue
    from {{ ref('v_booking_trends') }} as trends
    where trends.org_id = p_org_id and trends.day between p_from and p_to
    group by 1
),

periods_with_ends as (
    select
        periods.*,
        {{ last_day_of_grain('periods.period_start') }} as period_end
    from periods
)

select
    periods_with_ends.period_start,
    periods_with_ends.period_end,
    {{ is_partial_period('periods_with_ends.period_start', 'periods_with_ends.period_end', 'organizations.as_of') }}
        as is_partial,
    periods_with_ends.bookings_created,
    periods_with_ends.bookings_completed,
    periods_with_ends.bookings_cancelled,
    periods_with_ends.booked_revenue,
    periods_with_ends.realized_revenue,
    periods_with_ends.collected_revenue
from periods_with_ends
inner join {{ ref('dim_organization') }} as organizations on organizations.org_id = p_org_id
order by periods_with_ends.period_start
