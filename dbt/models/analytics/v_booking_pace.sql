-- The total has a row for every week; a service only where it has bookings on hand now or had them then.
with pace as (
    {% for service in ['cast(null as uuid)', 'service_id'] %}
        {{ 'union all' if not loop.first }}
        select
            org_id,
            {{ service }} as service_id,
            week_ahead,
            sum(case when weeks_ago = 0 then bookings else 0 end) as bookings,
            sum(case when weeks_ago = 52 then bookings else 0 end) as bookings_year_ago,
            sum(case when weeks_ago = 0 then revenue else 0 end) as revenue,
            sum(case when weeks_ago = 52 then revenue else 0 end) as revenue_year_ago
        from {{ ref('int_booking_pace') }}
        where weeks_ago in (0, 52)
        group by 1, 2, 3
    {% endfor %}
)

select
    pace.org_id,
    run_clock.as_of,
    pace.service_id,
    pace.week_ahead,
    {{ add_days('run_clock.as_of', '7 * pace.week_ahead - 6') }} as first_day,
    {{ add_days('run_clock.as_of', 'least(7 * pace.week_ahead, ' ~ var('pace_days') ~ ')') }} as last_day,
    cast(pace.bookings as integer) as bookings,
    cast(pace.bookings_year_ago as integer) as bookings_year_ago,
    {{ as_money('pace.revenue') }} as revenue,
    {{ as_money('pace.revenue_year_ago') }} as revenue_year_ago,
    {{ share('pace.revenue - pace.revenue_year_ago', 'pace.revenue_year_ago') }} as revenue_change
from pace
inner join {{ ref('stg_app__run_clock') }} as run_clock on pace.org_id = run_clock.org_id
where run_clock.first_day <= {{ add_days('run_clock.as_of', '-364 - ' ~ var('pace_days')) }}
