{{
    config(
        materialized='incremental',
        incremental_strategy='only_differences',
        on_schema_change='fail',
        unique_key=['provider_id', 'day'],
        post_hook="{{ analyze_table() }}",
        indexes=[{'columns': ['provider_id', 'day'], 'unique': true}],
    )
}}

-- Each provider's days from the first one known, that of the profile or of an earlier booking, not before the first
-- activity of the organisation, to 28 after as_of or the end of the last booking, with the working days and capacity
-- that were recorded for them. A provider of whom nothing is known up to as_of has the 28 days before it.
with booked_days as (
    select
        provider_id,
        min(first_day) as first_day,
        max(last_day) as last_day
    from {{ ref('int_provider_spans') }}
    group by provider_id
),

known_days as (
    select
        providers.org_id,
        providers.provider_id,
        run_clock.as_of,
        greatest(
            least({{ local_day('providers.created_at', 'organizations.timezone') }}, booked_days.first_day),
            run_clock.first_day
        ) as first_day,
        greatest({{ add_days('run_clock.as_of', var('horizon_days')) }}, booked_days.last_day) as last_day
    from {{ ref('dim_provider') }} as providers
    inner join {{ ref('stg_app__run_clock') }} as run_clock on providers.org_id = run_clock.org_id
    inner join {{ ref('stg_app__organizations') }} as organizations on providers.org_id = organizations.org_id
    left join booked_days on providers.provider_id = booked_days.provider_id
),

spans as (
    select
        org_id,
        provider_id,
        as_of,
        case when first_day <= as_of then first_day else {{ add_days('as_of', -var('horizon_days')) }} end as first_day,
        last_day
    from known_days
),

-- The hours of a provider's bookings of one day, which reduce the hours free for those of several days.
appointments as (
    select
        provider_id,
        first_day as day,
        sum(hours) as hours
    from {{ ref('int_provider_spans') }}
    where first_day = last_day
    group by provider_id, first_day
),

days as (
    select
        spans.org_id,
        spans.provider_id,
        spans.as_of,
        dates.day,
        terms.capacity_hours_per_day,
        case
            when terms.working_days is not null then {{ names_weekday('terms.working_days', 'dates.weekday') }}
            else weekdays.weekday is not null
        end
        and holidays.day is null
        and coalesce(dates.day < terms.inactive_from, true)
        and not exists (
            select 1
            from {{ ref('stg_app__provider_absences') }} as absences
            where
                absences.provider_id = spans.provider_id
                and dates.day between absences.starts_on and absences.ends_on
        )
        and not exists (
            select 1
            from {{ ref('stg_app__calendar_events') }} as closures
            where
                closures.kind = 'closure'
                and closures.org_id = spans.org_id
                and closures.service_id is null
                and coalesce(closures.provider_id, spans.provider_id) = spans.provider_id
                and dates.day between closures.starts_on and closures.ends_on
        ) as is_working_day
    from spans
    inner join {{ ref('dim_date') }} as dates on dates.day between spans.first_day and spans.last_day
    inner join {{ ref('stg_app__organizations') }} as organizations on spans.org_id = organizations.org_id
    left join {{ ref('int_provider_terms') }} as terms
        on
            spans.provider_id = terms.provider_id
            and (terms.first_day is null or dates.day >= terms.first_day)
            and (terms.last_day is null or dates.day <= terms.last_day)
    left join {{ ref('int_provider_weekdays') }} as weekdays
        on spans.provider_id = weekdays.provider_id and dates.weekday = weekdays.weekday
    left join {{ ref('stg_app__public_holidays') }} as holidays
        on
            organizations.country = holidays.country
            and coalesce(organizations.region, '') = holidays.region
            and dates.day = holidays.day
)

select
    days.org_id,
    days.provider_id,
    days.as_of,
    days.day,
    days.is_working_day,
    -- Where no capacity is stated, it is unknown, not zero.
    case
        when days.capacity_hours_per_day is null then null
        when days.is_working_day then days.capacity_hours_per_day
        else 0
    end as capacity_hours,
    cast(
        case
            when days.is_working_day then greatest(days.capacity_hours_per_day - coalesce(appointments.hours, 0), 0)
            else 0
        end as numeric(16, 10)
    ) as free_hours
from days
left join appointments on days.provider_id = appointments.provider_id and days.day = appointments.day
