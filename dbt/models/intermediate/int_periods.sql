-- The period that ends with as_of and the period before it. The state shown is that at seen_at: as_of_at for the first,
-- the end of the period for the second.
select
    run_clock.org_id,
    numbers.number as periods_ago,
    {{ add_days('run_clock.as_of', '1 - (numbers.number + 1) * ' ~ var('status_period_days')) }} as period_start,
    {{ add_days('run_clock.as_of', '- numbers.number * ' ~ var('status_period_days')) }} as period_end,
    case
        when numbers.number = 0 then run_clock.as_of_at
        else {{
            start_of_day(
                add_days('run_clock.as_of', '1 - numbers.number * ' ~ var('status_period_days')),
                'organizations.timezone',
            )
        }}
    end as seen_at,
    organizations.timezone,
    organizations.currency
from {{ ref('stg_app__run_clock') }} as run_clock
inner join {{ ref('stg_app__organizations') }} as organizations on run_clock.org_id = organizations.org_id
cross join {{ every_number(0, 1) }} as numbers
