with periods as (
    select
        {{ first_day_of_grain('outcomes.created_day') }} as period_start,
        outcomes.service_id,
        organizations.as_of,
        {{ completion_counts() }}
    from {{ ref('fct_booking_outcomes') }} as outcomes
    inner join {{ ref('dim_organization') }} as organizations on outcomes.org_id = organizations.org_id
    where outcomes.org_id = p_org_id and outcomes.created_day between p_from and p_to
    group by 1, outcomes.service_id, organizations.as_of
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
    services.service_name,
    {{ completion_rates('periods_with_ends') }},
    {{ completion_outcomes('periods_with_ends', 'periods_with_ends.period_end', 'periods_with_ends.as_of') }}
from periods_with_ends
left join {{ ref('dim_service') }} as services on periods_with_ends.service_id = services.service_id
order by periods_with_ends.period_start, services.service_name, periods_with_ends.service_id
