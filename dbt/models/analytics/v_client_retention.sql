-- Clients by the month of their first visit, and how many of them came in that month and in each month after it.
with cohorts as (
    select
        org_id,
        cohort_month,
        count(*) as clients
    from {{ ref('fct_client_months') }}
    where months_since_first = 0
    group by org_id, cohort_month
),

months as (
    select
        cohorts.org_id,
        cohorts.cohort_month,
        cohorts.clients,
        dates.day as month,
        {{ last_day_of('month', 'dates.day') }} as month_end,
        run_clock.as_of
    from cohorts
    inner join {{ ref('stg_app__run_clock') }} as run_clock on cohorts.org_id = run_clock.org_id
    inner join {{ ref('dim_date') }} as dates
        on dates.day = dates.month and dates.day between cohorts.cohort_month and run_clock.as_of
),

active as (
    select
        org_id,
        cohort_month,
        month,
        count(*) as clients,
        sum(revenue) as revenue
    from {{ ref('fct_client_months') }}
    group by org_id, cohort_month, month
)

select
    months.org_id,
    months.month as period_start,
    months.month_end as period_end,
    months.month_end > months.as_of as is_partial,
    months.cohort_month,
    {{ months_from_to('months.cohort_month', 'months.month') }} as months_since_first,
    months.clients,
    coalesce(active.clients, 0) as active_clients,
    {{ share('coalesce(active.clients, 0)', 'months.clients') }} as retention_rate,
    {{ as_money('coalesce(active.revenue, 0)') }} as revenue,
    {{ as_money('sum(active.revenue) over cohort / months.clients') }} as revenue_per_client_so_far
from months
left join active
    on
        months.org_id = active.org_id
        and months.cohort_month = active.cohort_month
        and months.month = active.month
window cohort as (partition by months.org_id, months.cohort_month order by months.month)
