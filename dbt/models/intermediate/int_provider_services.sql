-- The services that each provider has done in the year before as_of.
select
    states.org_id,
    states.provider_id,
    states.service_id,
    cast(count(*) as integer) as bookings
from {{ ref('int_bookings_as_of') }} as states
inner join {{ ref('stg_app__run_clock') }} as run_clock on states.org_id = run_clock.org_id
where
    states.provider_id is not null
    and states.is_realized
    and states.service_day > {{ add_days('run_clock.as_of', -365) }}
group by states.org_id, states.provider_id, states.service_id
