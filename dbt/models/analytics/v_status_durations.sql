select
    durations.org_id,
    durations.month as period_start,
    {{ last_day_of('month', 'durations.month') }} as period_end,
    {{ last_day_of('month', 'durations.month') }} > run_clock.as_of as is_partial,
    durations.status,
    durations.entered,
    durations.left_it,
    durations.entered - durations.left_it as still_there,
    durations.median_hours,
    durations.slowest_tenth_hours
from {{ ref('int_status_durations') }} as durations
inner join {{ ref('stg_app__run_clock') }} as run_clock on durations.org_id = run_clock.org_id
