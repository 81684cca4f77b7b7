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

-- Each provider's days from 28 before to 28 after as_of, extended to the first and last day of every booking that has a
-- day among them, with the working days and the capacity that were recorded for each day.
with spans as (
    select
        providers.org_id,
        providers.provider_id,
        run_clock.as_of,
        least({{ add_days('min(run_clock.as_of)', -var('horizon_days')) }}, min(bookings.service_day)) as first_day,
        greatest(
            {{ add_days('max(run_clock.as_of)', var('horizon_days')) }},
            max(coalesce(bookings.service_end_day, bookings.service_day))
        ) as last_day
    from {{ ref('dim_provider') }} as providers
    inner join {{ ref('stg_app__run_clock') }} as run_clock on providers.org_id = run_clock.org_id
    left join {{ ref('int_bookings_as_of') }} as bookings
        on
            providers.provider_id = bookings.provider_id
            and {{ is_firm('bookings.status_group') }}
            and bookings.service_day <= {{ add_days('run_clock.as_of', var('horizon_days')) }}
            and coalesce(bookings.service_end_day, bookings.service_day)
            >= {{ add_days('run_clock.as_of', -var('horizon_days')) }}
    group by providers.org_id, providers.provider_id, run_clock.as_of
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
    org_id,
    provider_id,
    as_of,
    day,
    is_working_day,
    -- Where no capacity is stated, it is unknown, not zero.
    case
        when capacity_hours_per_day is null then null
        when is_working_day then capacity_hours_per_day
        else 0
    end as capacity_hours
from days
