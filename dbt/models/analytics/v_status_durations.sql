-- How long bookings were in each status, by the month in which the status began, up to as_of_at.
{%- set month = first_day_of('month', local_day('statuses.valid_from', 'organizations.timezone')) %}

with durations as (
    select
        statuses.org_id,
        statuses.status,
        {{ month }} as month,
        run_clock.as_of,
        statuses.valid_to is null or statuses.valid_to >= run_clock.as_of_at as is_still_there,
        case
            when statuses.valid_to < run_clock.as_of_at
                then {{ seconds_from_to('statuses.valid_from', 'statuses.valid_to') }} / 3600
        end as hours
    from {{ ref('fct_booking_statuses') }} as statuses
    inner join {{ ref('stg_app__organizations') }} as organizations on statuses.org_id = organizations.org_id
    inner join {{ ref('stg_app__run_clock') }} as run_clock on statuses.org_id = run_clock.org_id
    where
        statuses.status_group in ('pending', 'ongoing')
        and statuses.is_moment_known
        and statuses.valid_from < run_clock.as_of_at
)

select
    org_id,
    month as period_start,
    {{ last_day_of('month', 'month') }} as period_end,
    {{ last_day_of('month', 'month') }} > as_of as is_partial,
    status,
    count(*) as entered,
    {{ count_where('not is_still_there') }} as left_it,
    {{ count_where('is_still_there') }} as still_there,
    cast(percentile_cont(0.5) within group (order by hours) as numeric(10, 2)) as median_hours,
    cast(percentile_cont(0.9) within group (order by hours) as numeric(10, 2)) as slowest_tenth_hours
from durations
group by org_id, month, as_of, status
