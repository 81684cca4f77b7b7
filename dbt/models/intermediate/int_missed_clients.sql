-- The regular clients who were missed at the end of as_of, and of the same weekday of each week before: their last
-- visit was longer ago than their own rhythm explains, the next was not booked yet, and they were not lost for good.
with gaps as (
    select
        visits.org_id,
        visits.client_id,
        {{ days_from_to('visits.visit_day', 'run_clock.as_of') }} - rhythms.missed_after_days as missed_days_ago,
        greatest(
            coalesce({{ days_from_to('visits.next_known_day', 'run_clock.as_of') }}, -1),
            {{ days_from_to('visits.visit_day', 'run_clock.as_of') }}
            - {{ var('rhythm_lost_after') }} * rhythms.missed_after_days
        ) as until_days_ago
    from {{ ref('int_client_visits') }} as visits
    inner join {{ ref('int_client_rhythm') }} as rhythms on visits.client_id = rhythms.client_id
    inner join {{ ref('stg_app__run_clock') }} as run_clock on visits.org_id = run_clock.org_id
)

select
    gaps.org_id,
    gaps.client_id,
    numbers.number as weeks_ago
from gaps
cross join lateral {{
    every_number(
        'cast(ceil(greatest(gaps.until_days_ago + 1, 0) / 7.0) as integer)',
        'least(cast(floor(gaps.missed_days_ago / 7.0) as integer), ' ~ var('pace_weeks') ~ ')',
    )
}} as numbers
where gaps.missed_days_ago >= 0
