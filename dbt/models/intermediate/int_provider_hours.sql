-- The planned and the available hours of each provider of known capacity on the days of the workload up to as_of.
with planned as (
    select
        provider_id,
        day,
        sum(booked_hours) as hours
    from {{ ref('int_provider_days') }}
    group by provider_id, day
)

select
    capacity.org_id,
    capacity.provider_id,
    capacity.day,
    cast(coalesce(planned.hours, 0) as numeric(16, 10)) as planned_hours,
    capacity.capacity_hours as available_hours
from {{ ref('int_provider_capacity') }} as capacity
left join planned on capacity.provider_id = planned.provider_id and capacity.day = planned.day
where capacity.capacity_hours is not null and capacity.day <= capacity.as_of
