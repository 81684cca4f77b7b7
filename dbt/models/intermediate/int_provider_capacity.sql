-- The hours that each provider can work on every day of the workload.
select
    calendar.org_id,
    calendar.provider_id,
    providers.provider_name,
    calendar.day,
    calendar.as_of,
    cast(calendar.capacity_hours as numeric(5, 2)) as capacity_hours
from {{ ref('int_provider_calendar') }} as calendar
inner join {{ ref('dim_provider') }} as providers on calendar.provider_id = providers.provider_id
where
    calendar.day between {{ add_days('calendar.as_of', -var('workload_days')) }}
    and {{ add_days('calendar.as_of', var('workload_days')) }}
