{{
    config(
        materialized='incremental',
        incremental_strategy='only_differences',
        on_schema_change='fail',
        unique_key='client_id',
        post_hook="{{ analyze_table() }}",
        indexes=[{'columns': ['client_id'], 'unique': true}, {'columns': ['org_id']}],
    )
}}

-- The rhythm of each client's visits up to as_of. A client is missed after an interval as long as hardly any of his
-- own: beyond the upper quartile by rhythm_spreads times the distance of the quartiles, which are at least a quarter
-- of the median apart: a rhythm of few intervals looks steadier than it is.
with intervals as (
    select
        visits.org_id,
        visits.client_id,
        visits.visit_day,
        visits.amount,
        {{ days_from_to('visits.visit_day', 'visits.next_day') }} as days,
        run_clock.as_of
    from {{ ref('int_client_visits') }} as visits
    inner join {{ ref('stg_app__run_clock') }} as run_clock on visits.org_id = run_clock.org_id
),

rhythms as (
    select
        org_id,
        client_id,
        as_of,
        count(*) as visits,
        max(visit_day) as last_visit_day,
        percentile_cont(0.5) within group (order by days) as median_days,
        percentile_cont(0.25) within group (order by days) as lower_quartile_days,
        percentile_cont(0.75) within group (order by days) as upper_quartile_days,
        sum(case when visit_day > {{ add_days('as_of', -365) }} then amount else 0 end) as yearly_amount
    from intervals
    group by org_id, client_id, as_of
    having count(*) >= {{ var('rhythm_least_visits') }}
)

select
    client_id,
    org_id,
    cast(visits as integer) as visits,
    last_visit_day,
    cast(median_days as numeric(8, 2)) as median_days,
    cast(
        ceil(
            upper_quartile_days
            + {{ var('rhythm_spreads') }} * greatest(upper_quartile_days - lower_quartile_days, median_days / 4)
        ) as integer
    ) as missed_after_days,
    {{ as_money('yearly_amount') }} as yearly_amount
from rhythms
