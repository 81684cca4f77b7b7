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

-- The rhythm of each client's visits up to as_of: a visit is a day with a service that took place.
with visits as (
    select
        bookings.org_id,
        bookings.client_id,
        states.service_day,
        sum(case when states.is_in_own_currency then states.total_amount else 0 end) as amount
    from {{ ref('int_bookings_as_of') }} as states
    inner join {{ ref('fct_bookings') }} as bookings on states.booking_id = bookings.booking_id
    where states.is_realized and {{ is_firm('states.status_group') }}
    group by 1, 2, 3
),

intervals as (
    select
        visits.*,
        {{ days_from_to(
            'lag(visits.service_day) over (partition by visits.client_id order by visits.service_day)',
            'visits.service_day',
        ) }} as days
    from visits
),

rhythms as (
    select
        intervals.org_id,
        intervals.client_id,
        run_clock.as_of,
        count(*) as visits,
        min(intervals.service_day) as first_visit_day,
        max(intervals.service_day) as last_visit_day,
        percentile_cont(0.5) within group (order by intervals.days) as median_days,
        percentile_cont(0.25) within group (order by intervals.days) as lower_quartile_days,
        percentile_cont(0.75) within group (order by intervals.days) as upper_quartile_days,
        sum(
            case when intervals.service_day > {{ add_days('run_clock.as_of', -365) }} then intervals.amount else 0 end
        ) as yearly_amount
    from intervals
    inner join {{ ref('stg_app__run_clock') }} as run_clock on intervals.org_id = run_clock.org_id
    group by intervals.org_id, intervals.client_id, run_clock.as_of
    having count(*) >= {{ var('rhythm_least_visits') }}
),

-- A client who has asked for a date is not missing.
coming as (
    select
        bookings.client_id,
        max(states.service_day) as next_day
    from {{ ref('int_bookings_as_of') }} as states
    inner join {{ ref('fct_bookings') }} as bookings on states.booking_id = bookings.booking_id
    inner join {{ ref('stg_app__run_clock') }} as run_clock on states.org_id = run_clock.org_id
    where
        states.status_group in ('pending', 'ongoing')
        and (states.service_day > run_clock.as_of or states.service_day is null or states.status_group = 'ongoing')
    group by bookings.client_id
)

select
    rhythms.client_id,
    rhythms.org_id,
    cast(rhythms.visits as integer) as visits,
    rhythms.first_visit_day,
    rhythms.last_visit_day,
    cast(rhythms.median_days as numeric(8, 2)) as median_days,
    cast(rhythms.lower_quartile_days as numeric(8, 2)) as lower_quartile_days,
    cast(rhythms.upper_quartile_days as numeric(8, 2)) as upper_quartile_days,
    {{ days_from_to('rhythms.last_visit_day', 'rhythms.as_of') }} as days_since,
    coming.client_id is not null as has_coming,
    {{ as_money('rhythms.yearly_amount') }} as yearly_amount
from rhythms
left join coming on rhythms.client_id = coming.client_id
