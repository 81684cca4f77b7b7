-- The weekdays on which each provider works if none are stated for the provider: those of the organisation, or else
-- those on which the provider's bookings of the last quarter took place, or else the organisation's bookings; with too
-- few of either, Monday to Friday.
with recent_bookings as (
    select
        bookings.org_id,
        bookings.provider_id,
        {{ weekday_of('bookings.service_day') }} as weekday,
        count(*) as bookings
    from {{ ref('int_bookings_as_of') }} as bookings
    inner join {{ ref('stg_app__run_clock') }} as run_clock on bookings.org_id = run_clock.org_id
    where
        {{ is_firm('bookings.status_group') }}
        and bookings.service_day <= run_clock.as_of
        and bookings.service_day > {{ add_days('run_clock.as_of', -var('workload_weekday_days')) }}
    group by 1, 2, 3
),

provider_weekdays as (
    select
        provider_id,
        weekday,
        bookings,
        sum(bookings) over (partition by provider_id) as all_bookings
    from recent_bookings
    where provider_id is not null
),

organization_weekdays as (
    select
        org_id,
        weekday,
        sum(bookings) as bookings,
        sum(sum(bookings)) over (partition by org_id) as all_bookings
    from recent_bookings
    group by org_id, weekday
),

-- A weekday counts if at least this share of the bookings falls on it.
usual_weekdays as (
    select
        provider_id as owner_id,
        weekday
    from provider_weekdays
    where
        all_bookings >= {{ var('workload_weekday_bookings') }}
        and bookings >= all_bookings * {{ var('workload_weekday_share') }}
    union all
    select
        org_id as owner_id,
        weekday
    from organization_weekdays
    where
        all_bookings >= {{ var('workload_weekday_bookings') }}
        and bookings >= all_bookings * {{ var('workload_weekday_share') }}
),

working_weeks as (
    select
        providers.org_id,
        providers.provider_id,
        organizations.working_days,
        case
            when providers.provider_id in (select usual_weekdays.owner_id from usual_weekdays)
                then providers.provider_id
            when providers.org_id in (select usual_weekdays.owner_id from usual_weekdays) then providers.org_id
        end as owner_id
    from {{ ref('dim_provider') }} as providers
    inner join {{ ref('stg_app__organizations') }} as organizations on providers.org_id = organizations.org_id
)

select
    working_weeks.org_id,
    working_weeks.provider_id,
    weekdays.number as weekday
from working_weeks
cross join {{ every_number(1, 7) }} as weekdays
left join usual_weekdays
    on working_weeks.owner_id = usual_weekdays.owner_id and weekdays.number = usual_weekdays.weekday
where
    case
        when working_weeks.working_days is not null
            then {{ names_weekday('working_weeks.working_days', 'weekdays.number') }}
        when working_weeks.owner_id is not null then usual_weekdays.weekday is not null
        else weekdays.number <= 5
    end
