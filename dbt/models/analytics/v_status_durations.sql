-- How long bookings were in each status, by the month in which the status began, up to as_of_at. In the percentiles,
-- the statuses that have not ended are longer than all others: without them, those of the last months would be the
-- quick ones.
{%- set endless = 1000000000 %}
{%- set month = first_day_of('month', 'status_times.entered_day') %}

with durations as (
    select
        status_times.org_id,
        status_times.status,
        {{ month }} as month,
        run_clock.as_of,
        status_times.days * 24 as hours
    from {{ ref('int_status_times') }} as status_times
    inner join {{ ref('stg_app__run_clock') }} as run_clock on status_times.org_id = run_clock.org_id
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
