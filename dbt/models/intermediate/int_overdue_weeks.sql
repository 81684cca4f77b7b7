-- The overdue sum at the end of as_of, and of the same weekday of each week before.
with spans as (
    select
        spans.org_id,
        spans.open_amount,
        {{ days_from_to(
            'greatest(spans.first_day, ' ~ add_days('spans.due_day', 1) ~ ')', 'run_clock.as_of'
        ) }} as first_days_ago,
        coalesce({{ days_from_to('spans.until_day', 'run_clock.as_of') }}, -1) as until_days_ago
    from {{ ref('fct_receivables') }} as spans
    inner join {{ ref('stg_app__run_clock') }} as run_clock on spans.org_id = run_clock.org_id
    where spans.due_day < run_clock.as_of
),

overdue as (
    select
        spans.org_id,
        spans.open_amount,
        numbers.number as weeks_ago
    from spans
    cross join lateral {{
        every_number(
            'cast(ceil(greatest(spans.until_days_ago + 1, 0) / 7.0) as integer)',
            'least(cast(floor(spans.first_days_ago / 7.0) as integer), ' ~ var('pace_weeks') ~ ')',
        )
    }} as numbers
    where spans.first_days_ago >= 0
)

select
    org_id,
    weeks_ago,
    count(*) as invoices,
    {{ as_money('sum(open_amount)') }} as overdue_amount
from overdue
group by 1, 2
