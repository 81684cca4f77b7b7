with periods as (
    select
        {{ first_day_of_grain('bookings.created_day') }} as period_start,
        bookings.service_id,
        bookings.service_name,
        organizations.as_of,
        {{ completion_counts('organizations.as_of') }}
    from {{ ref('bookings_full_view') }} as bookings
    inner join {{ ref('dim_organization') }} as organizations on bookings.org_id = organizations.org_id
    where bookings.org_id = p_org_id and bookings.created_day between p_from and p_to
    group by 1, bookings.service_id, bookings.service_name, organizations.as_of
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
    {{ is_partial_period('periods_with_ends.period_start', 'periods_with_ends.period_end', 'periods_with_ends.as_of') }}
        as is_partial,
    periods_with_ends.service_id,
    periods_with_ends.service_name,
    {{ completion_rates('periods_with_ends') }},
    {{ completion_outcomes('periods_with_ends', 'periods_with_ends.period_end', 'periods_with_ends.as_of') }}
from periods_with_ends
order by periods_with_ends.period_start, periods_with_ends.service_name, periods_with_ends.service_id
