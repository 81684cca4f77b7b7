-- The clients with a rhythm who were not lost, at the end of as_of and of the same weekday of each week before. A
-- client was missed if the last visit was longer ago than the own rhythm by then explains, and the next was not booked
-- yet.
with gaps as (
    select
        visits.org_id,
        visits.client_id,
        visits.visit_day,
        {{ days_from_to('visits.visit_day', 'run_clock.as_of') }} as visit_days_ago,
        {{ days_from_to('visits.visit_day', 'run_clock.as_of') }} - rhythms.missed_after_days as missed_days_ago,
        coalesce({{ days_from_to('visits.next_known_day', 'run_clock.as_of') }}, -1) as known_days_ago,
        greatest(
            coalesce({{ days_from_to('visits.next_day', 'run_clock.as_of') }}, -1),
            {{ days_from_to('visits.visit_day', 'run_clock.as_of') }}
            - {{ var('rhythm_lost_after') }} * rhythms.missed_after_days
        ) as until_days_ago
    from {{ ref('int_client_visits') }} as visits
    inner join {{ ref('int_client_rhythm') }} as rhythms
        on visits.client_id = rhythms.client_id and visits.visit_day = rhythms.visit_day
    inner join {{ ref('stg_app__run_clock') }} as run_clock on visits.org_id = run_clock.org_id
)

select
    gaps.org_id,
    gaps.client_id,
    gaps.visit_day as last_visit_day,
    numbers.number as weeks_ago,
    7 * numbers.number <= gaps.missed_days_ago and 7 * numbers.number > gaps.known_days_ago as is_missed
from gaps
cross join lateral {{
    every_number(
        'cast(ceil(greatest(gaps.until_days_ago + 1, 0) / 7.0) as integer)',
        'least(cast(floor(gaps.visit_days_ago / 7.0) as integer), ' ~ var('pace_weeks') ~ ')',
    )
}} as numbers
