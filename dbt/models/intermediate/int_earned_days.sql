{{
    config(
        materialized='incremental',
        incremental_strategy='only_differences',
        on_schema_change='fail',
        unique_key=['service_id', 'day'],
        post_hook="{{ analyze_table() }}",
        indexes=[{'columns': ['service_id', 'day'], 'unique': true}],
    )
}}

-- Realized amounts in the organisation's currency, spread evenly over the days of the service. The part of a day is the
-- amount earned by its end less the amount earned by the end of the day before, each to the cent: the parts sum to the
-- total amount.
with realized_bookings as (
    select
        bookings.org_id,
        bookings.service_id,
        bookings.total_amount,
        bookings.service_day,
        run_clock.as_of,
        case
            when
                {{ local_hour('bookings.scheduled_end', 'organizations.timezone') }}
                < {{ var('last_day_earns_from_hour') }}
                then {{ add_days('bookings.service_end_day', -1) }}
            else bookings.service_end_day
        end as last_day
    from {{ ref('int_bookings_as_of') }} as bookings
    inner join {{ ref('stg_app__run_clock') }} as run_clock on bookings.org_id = run_clock.org_id
    inner join {{ ref('stg_app__organizations') }} as organizations on bookings.org_id = organizations.org_id
    where bookings.is_realized and bookings.is_in_own_currency
),

spans as (
    select
        realized_bookings.*,
        greatest({{ days_from_to('service_day', 'last_day') }}, 0) + 1 as days,
        {{ days_from_to('service_day', 'as_of') }} + 1 as past_days
    from realized_bookings
),

parts as (
    select
        spans.org_id,
        spans.service_id,
        {{ add_days('spans.service_day', 'numbers.number - 1') }} as day,
        round(spans.total_amount * numbers.number / spans.days, 2)
        - round(spans.total_amount * (numbers.number - 1) / spans.days, 2) as earned_amount
    from spans
    cross join lateral {{ every_number(1, 'least(spans.days, spans.past_days)') }} as numbers
)

select
    org_id,
    service_id,
    day,
    {{ as_money('sum(earned_amount)') }} as earned_amount
from parts
group by org_id, service_id, day
