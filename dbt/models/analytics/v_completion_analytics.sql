{%- set month = first_day_of('month', 'outcomes.created_day') %}

with months as (
    select
        outcomes.org_id,
        {{ month }} as month,
        outcomes.service_id,
        run_clock.as_of,
        {{ completion_counts() }}
    from {{ ref('fct_booking_outcomes') }} as outcomes
    inner join {{ ref('stg_app__run_clock') }} as run_clock on outcomes.org_id = run_clock.org_id
    group by outcomes.org_id, {{ month }}, outcomes.service_id, run_clock.as_of
),

months_with_ends as (
    select
        months.*,
        {{ last_day_of('month', 'month') }} as month_end
    from months
)

select
    months_with_ends.org_id,
    months_with_ends.month,
    months_with_ends.service_id,
    services.service_name,
    {{ completion_rates('months_with_ends') }},
    months_with_ends.month as period_start,
    months_with_ends.month_end as period_end,
    months_with_ends.month_end > months_with_ends.as_of as is_partial,
    {{ completion_outcomes('months_with_ends', 'months_with_ends.month_end', 'months_with_ends.as_of') }}
from months_with_ends
left join {{ ref('dim_service') }} as services on months_with_ends.service_id = services.service_id
