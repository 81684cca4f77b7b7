select
    figures.org_id,
    figures.month as period_start,
    {{ last_day_of('month', 'figures.month') }} as period_end,
    {{ last_day_of('month', 'figures.month') }} > run_clock.as_of as is_partial,
    figures.service_id,
    services.service_name,
    figures.position,
    case figures.position
        {% for stage in var('funnel_stages') %}
            when {{ loop.index0 }} then '{{ stage }}'
        {% endfor %}
    end as stage,
    figures.bookings,
    {{ share('figures.bookings', 'first_value(figures.bookings) over stages') }} as share_of_made,
    {{ share('figures.bookings', 'lag(figures.bookings) over stages') }} as share_of_previous,
    figures.lost,
    figures.waiting,
    figures.median_days_from_previous
from {{ ref('int_booking_funnel') }} as figures
inner join {{ ref('stg_app__run_clock') }} as run_clock on figures.org_id = run_clock.org_id
left join {{ ref('dim_service') }} as services on figures.service_id = services.service_id
window stages as (partition by figures.of_id, figures.month order by figures.position)
