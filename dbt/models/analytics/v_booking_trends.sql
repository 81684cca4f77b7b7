-- Every day between the first one with activity and as_of, and every day of any metric.
with days as (
    select
        org_id,
        day,
        metric,
        value
    from {{ ref('kpi_daily') }}
    where dimension = 'total'
    union all
    select
        organizations.org_id,
        dates.day,
        null as metric,
        0 as value
    from {{ ref('dim_organization') }} as organizations
    inner join {{ ref('dim_date') }} as dates
        on dates.day between organizations.first_day and organizations.as_of
)

select
    org_id,
    day,
    {{ metric_total('bookings_created', 'integer') }} as bookings_created,
    {{ metric_total('bookings_completed', 'integer') }} as bookings_completed,
    {{ metric_total('bookings_cancelled', 'integer') }} as bookings_cancelled,
    {{ metric_total('booked_revenue', 'numeric(18, 2)') }} as booked_revenue,
    {{ metric_total('realized_revenue', 'numeric(18, 2)') }} as realized_revenue,
    {{ metric_total('collected_revenue', 'numeric(18, 2)') }} as collected_revenue
from days
group by org_id, day
