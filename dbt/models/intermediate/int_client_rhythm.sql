{{
    config(
        materialized='incremental',
        incremental_strategy='only_differences',
        on_schema_change='fail',
        unique_key=['client_id', 'visit_day'],
        post_hook="{{ analyze_table() }}",
        indexes=[{'columns': ['client_id', 'visit_day'], 'unique': true}, {'columns': ['org_id']}],
    )
}}

-- The rhythm of each client at each visit after which some week of int_client_weeks lies, from the intervals that had
-- ended by it. A client is missed after an interval as long as hardly any of his own: beyond the upper quartile by
-- rhythm_spreads times the distance of the quartiles, which are at least a quarter of the median apart: a rhythm of few
-- intervals looks steadier than it is. Later intervals must not count: with them a past gap looks usual, because it is
-- among the intervals itself, and fewer clients seem to have been missed than now.
with visits as (
    select
        visits.org_id,
        visits.client_id,
        visits.visit_day,
        visits.next_day,
        visits.amount,
        run_clock.as_of,
        {{ days_from_to('lag(visits.visit_day) over client_visits', 'visits.visit_day') }} as days
    from {{ ref('int_client_visits') }} as visits
    inner join {{ ref('stg_app__run_clock') }} as run_clock on visits.org_id = run_clock.org_id
    window client_visits as (partition by visits.client_id order by visits.visit_day)
),

rhythms as (
    select
        visits.org_id,
        visits.client_id,
        visits.visit_day,
        count(*) as visits,
        percentile_cont(0.5) within group (order by earlier.days) as median_days,
        percentile_cont(0.25) within group (order by earlier.days) as lower_quartile_days,
        percentile_cont(0.75) within group (order by earlier.days) as upper_quartile_days,
        sum(case when earlier.visit_day > {{ add_days('earlier.as_of', -365) }} then earlier.amount else 0 end)
            as yearly_amount
    from visits
    inner join visits as earlier
        on visits.client_id = earlier.client_id and visits.visit_day >= earlier.visit_day
    where
        visits.next_day is null
        or visits.next_day > {{ add_days('visits.as_of', -7 * (var('pace_weeks') + 1)) }}
    group by visits.org_id, visits.client_id, visits.visit_day
    having count(*) >= {{ var('rhythm_least_visits') }}
)

select
    client_id,
    visit_day,
    org_id,
    cast(visits as integer) as visits,
    cast(median_days as numeric(8, 2)) as median_days,
    cast(
        ceil(
            upper_quartile_days
            + {{ var('rhythm_spreads') }} * greatest(upper_quartile_days - lower_quartile_days, median_days / 4)
        ) as integer
    ) as missed_after_days,
    {{ as_money('yearly_amount') }} as yearly_amount
from rhythms
