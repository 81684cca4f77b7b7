-- The weekdays on which each provider works where none are stated for the provider: those of the organisation, or else
-- those on which the provider's bookings of the last quarter took place, or else the organisation's bookings; with too
-- few of either, Monday to Friday.
with recent as (
    select
        bookings.org_id,
        bookings.provider_id,
        {{ weekday_of('bookings.service_day') }} as weekday,
        count(*) as bookings
    from {{ ref('int_bookings_as_of') }} as bookings
    inner join {{ ref('stg_app__run_clock') }} as run_clock on bookings.org_id = run_clock.org_id
    where
        bookings.status_group in ('ongoing', 'completed')
        and bookings.service_day <= run_clock.as_of
        and bookings.service_day > {{ add_days('run_clock.as_of', -var('workload_weekday_days')) }}
    group by 1, 2, 3
),

of_providers as (
    select
        provider_id,
        weekday,
        bookings,
        sum(bookings) over (partition by provider_id) as all_bookings
    from recent
    where provider_id is not null
),

of_organizations as (
    select
        org_id,
        weekday,
        sum(bookings) as bookings,
        sum(sum(bookings)) over (partition by org_id) as all_bookings
    from recent
    group by org_id, weekday
),

-- A weekday counts where at least so many of the bookings fall on it.
usual as (
    select
        provider_id as whose,
        weekday
    from of_providers
    where
        all_bookings >= {{ var('workload_weekday_bookings') }}
        and bookings >= all_bookings * {{ var('workload_weekday_share') }}
    union all
    select
        org_id as whose,
        weekday
    from of_organizations
    where
        all_bookings >= {{ var('workload_weekday_bookings') }}
        and bookings >= all_bookings * {{ var('workload_weekday_share') }}
),

sources as (
    select
        providers.org_id,
        providers.provider_id,
        organizations.working_days,
        case
            when providers.provider_id in (select usual.whose from usual) then providers.provider_id
            when providers.org_id in (select usual.whose from usual) then providers.org_id
        end as whose
    from {{ ref('dim_provider') }} as providers
    inner join {{ ref('stg_app__organizations') }} as organizations on providers.org_id = organizations.org_id
)

select
    sources.org_id,
    sources.provider_id,
    weekdays.number as weekday
from sources
cross join {{ every_number(1, 7) }} as weekdays
left join usual on sources.whose = usual.whose and weekdays.number = usual.weekday
where
    case
        when sources.working_days is not null then {{ names_weekday('sources.working_days', 'weekdays.number') }}
        when sources.whose is not null then usual.weekday is not null
        else weekdays.number <= 5
    end
