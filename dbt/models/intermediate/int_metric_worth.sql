-- The money that one unit of each metric is worth, from the totals of the last worth_days days: an amount 1, a booking
-- the mean amount of those in the organisation's own currency, an hour the realized revenue per tracked or booked hour.
-- A unit of a ratio has no worth.
with totals as (
    select
        organizations.org_id,
        sum(case when kpis.metric = 'booked_revenue' then kpis.value end) as booked_revenue,
        sum(case when kpis.metric = 'bookings_in_own_currency' then kpis.value end) as bookings_in_own_currency,
        sum(case when kpis.metric = 'realized_revenue' then kpis.value end) as realized_revenue,
        sum(case when kpis.metric = 'booked_hours' then kpis.value end) as booked_hours,
        sum(case when kpis.metric = 'tracked_hours' then kpis.value end) as tracked_hours
    from {{ ref('dim_organization') }} as organizations
    left join {{ ref('kpi_daily') }} as kpis
        on
            organizations.org_id = kpis.org_id
            and kpis.dimension = 'total'
            and kpis.day > {{ add_days('organizations.as_of', -var('worth_days')) }}
            and organizations.as_of >= kpis.day
    where organizations.as_of is not null
    group by organizations.org_id
)

select
    totals.org_id,
    metrics.metric,
    cast(
        case
            when metrics.kind = 'ratio' then null
            when metrics.unit = 'money' then 1
            when metrics.unit = 'count' then totals.booked_revenue / nullif(totals.bookings_in_own_currency, 0)
            when metrics.metric = 'booked_hours' then totals.realized_revenue / nullif(totals.booked_hours, 0)
            when metrics.unit = 'hours' then totals.realized_revenue / nullif(totals.tracked_hours, 0)
        end as numeric(24, 6)
    ) as worth
from totals
cross join {{ ref('dim_metric') }} as metrics
