with periods as (
    select
        {{ first_day_of_grain('bookings.created_day') }} as period_start,
        bookings.service_id,
        bookings.service_name,
        count(*) as bookings,
        {{ count_where("bookings.status_group = 'completed'") }} as completed,
        {{ count_where("bookings.status_group = 'cancelled'") }} as cancelled,
        {{ count_where("bookings.status = 'cancelled'") }} as cancellations,
        {{ count_where("bookings.status = 'no_show'") }} as no_shows,
        {{ mean_days('bookings.created_at', 'bookings.completed_at', "bookings.status_group = 'completed'") }}
            as avg_completion_days,
        {{ mean_days('bookings.created_at', 'bookings.scheduled_start', "bookings.status_group = 'completed'") }}
            as avg_lead_days
    from {{ ref('bookings_full_view') }} as bookings
    where bookings.org_id = p_org_id and bookings.created_day between p_from and p_to
    group by 1, bookings.service_id, bookings.service_name
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
    periods_with_ends.service_id,
    periods_with_ends.service_name,
    periods_with_ends.bookings,
    periods_with_ends.completed,
    periods_with_ends.cancelled,
    periods_with_ends.cancellations,
    periods_with_ends.no_shows,
    {{ share('periods_with_ends.completed', 'periods_with_ends.bookings') }} as completion_rate,
    {{ share('periods_with_ends.cancellations', 'periods_with_ends.bookings') }} as cancellation_rate,
    {{ share('periods_with_ends.no_shows', 'periods_with_ends.bookings') }} as no_show_rate,
    periods_with_ends.avg_completion_days,
    periods_with_ends.avg_lead_days
from periods_with_ends
inner join {{ ref('dim_organization') }} as organizations on organizations.org_id = p_org_id
order by periods_with_ends.period_start, periods_with_ends.service_name, periods_with_ends.service_id
