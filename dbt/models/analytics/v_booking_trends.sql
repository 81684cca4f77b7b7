-- Each series of kpi_daily runs to as_of, so the one that begins first gives every day of the organisation.
select
    org_id,
    day,
    {{ metric_total('bookings_created', 'integer') }} as bookings_created,
    {{ metric_total('bookings_completed', 'integer') }} as bookings_completed,
    {{ metric_total('bookings_cancelled', 'integer') }} as bookings_cancelled,
    {{ metric_total('booked_revenue', 'numeric(14, 2)') }} as booked_revenue,
    {{ metric_total('realized_revenue', 'numeric(14, 2)') }} as realized_revenue,
    {{ metric_total('collected_revenue', 'numeric(14, 2)') }} as collected_revenue
from {{ ref('kpi_daily') }}
where dimension = 'total'
group by org_id, day
