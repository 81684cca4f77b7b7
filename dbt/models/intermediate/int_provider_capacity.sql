-- The hours that each provider can work, on every day that the workload shows.
select
    providers.org_id,
    providers.provider_id,
    providers.provider_name,
    dates.day,
    run_clock.as_of,
    cast(
        case when dates.is_working_day then coalesce(providers.capacity_hours_per_day, 0) else 0 end as numeric(5, 2)
    ) as capacity_hours
from {{ ref('dim_provider') }} as providers
inner join {{ ref('stg_app__run_clock') }} as run_clock on providers.org_id = run_clock.org_id
inner join {{ ref('dim_date') }} as dates
    on
        dates.day between {{ add_days('run_clock.as_of', -var('workload_days')) }}
        and {{ add_days('run_clock.as_of', var('workload_days')) }}
