-- How long bookings were in each status, by the month in which the status began, up to as_of_at. In the percentiles,
-- the statuses that have not ended are longer than all others: without them, those of the last months would be the
-- quick ones.
{%- set endless = 1000000000 %}
{%- set month = first_day_of('month', local_day('statuses.valid_from', 'organizations.timezone')) %}

with durations as (
    select
        statuses.org_id,
        statuses.status,
        {{ month }} as month,
        run_clock.as_of,
        case
            when statuses.valid_to < run_clock.as_of_at
                then {{ seconds_from_to('statuses.valid_from', 'statuses.valid_to') }} / 3600
        end as hours
    from {{ ref('fct_booking_statuses') }} as statuses
    inner join {{ ref('stg_app__organizations') }} as organizations on statuses.org_id = organizations.org_id
    inner join {{ ref('stg_app__run_clock') }} as run_clock on statuses.org_id = run_clock.org_id
    left join {{ ref('fct_booking_statuses') }} as following
        on
            statuses.org_id = following.org_id
            and statuses.booking_id = following.booking_id
            and statuses.position + 1 = following.position
    where
        statuses.status_group in ('pending', 'ongoing')
        and statuses.is_moment_known
        and coalesce(following.is_moment_known, true)
        and statuses.valid_from < run_clock.as_of_at
),

figures as (
    select
        org_id,
        month,
        as_of,
        status,
        count(*) as entered,
        count(hours) as left_it,
        {{ count_where('hours is null') }} as still_there,
        percentile_disc(0.5) within group (order by coalesce(hours, {{ endless }})) as median_hours,
        percentile_disc(0.9) within group (order by coalesce(hours, {{ endless }})) as slowest_tenth_hours
    from durations
    group by org_id, month, as_of, status
)

select
    org_id,
    month as period_start,
    {{ last_day_of('month', 'month') }} as period_end,
    {{ last_day_of('month', 'month') }} > as_of as is_partial,
    status,
    entered,
    left_it,
    still_there,
    cast(nullif(median_hours, {{ endless }}) as numeric(10, 2)) as median_hours,
    cast(nullif(slowest_tenth_hours, {{ endless }}) as numeric(10, 2)) as slowest_tenth_hours
from figures
