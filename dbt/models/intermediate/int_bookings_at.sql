{{
    config(
        materialized='incremental',
        incremental_strategy='only_differences',
        on_schema_change='fail',
        unique_key=['booking_id', 'periods_ago'],
        post_hook="{{ analyze_table() }}",
        indexes=[
            {'columns': ['booking_id', 'periods_ago'], 'unique': true},
            {'columns': ['created_at']},
            {'columns': ['org_id', 'created_day']},
            {'columns': ['org_id', 'service_day']},
            {'columns': ['org_id', 'cancelled_day']},
            {'columns': ['org_id', 'completed_day']},
            {'columns': ['is_in_own_currency', 'org_id']},
        ],
    )
}}

-- Each booking in its state at as_of_at, and at the end of the period before. The latter only for bookings that were
-- open at that moment or made in that period: no metric uses others.
with statuses_at as (
    select
        statuses.booking_id,
        statuses.status,
        statuses.status_group,
        periods.periods_ago,
        periods.period_start,
        periods.period_end,
        periods.seen_at,
        periods.timezone
    from {{ ref('fct_booking_statuses') }} as statuses
    inner join {{ ref('int_periods') }} as periods on statuses.org_id = periods.org_id
    where
        statuses.valid_from < periods.seen_at
        and (statuses.valid_to is null or statuses.valid_to >= periods.seen_at)
),

-- A booking whose history begins with its cancellation had been firm at an unknown time.
first_moments as (
    select
        booking_id,
        min(
            case
                when {{ is_firm('status_group') }} or (position = 1 and status_group = 'cancelled') then valid_from
            end
        ) as firm_at,
        case
            when {{ count_where("status in ('delivered', 'completed') and not is_moment_known") }} = 0
                then min(case when status in ('delivered', 'completed') then valid_from end)
        end as delivered_at
    from {{ ref('fct_booking_statuses') }}
    group by booking_id
),

bookings_at as (
    select
        statuses_at.booking_id,
        statuses_at.periods_ago,
        bookings.org_id,
        bookings.service_id,
        bookings.provider_id,
        clients.client_group,
        bookings.channel,
        hours.hours,
        statuses_at.status,
        statuses_at.status_group,
        {% for term in ['total_amount', 'scheduled_start', 'scheduled_end'] %}
            case when terms.booking_id is null then bookings.{{ term }} else terms.{{ term }} end as {{ term }},
        {% endfor %}
        bookings.currency,
        bookings.is_in_own_currency,
        bookings.created_at,
        bookings.created_day,
        case when first_moments.firm_at < statuses_at.seen_at then first_moments.firm_at end as firm_at,
        case
            when first_moments.delivered_at < statuses_at.seen_at then first_moments.delivered_at
        end as delivered_at,
        case when bookings.completed_at < statuses_at.seen_at then bookings.completed_at end as completed_at,
        case when bookings.cancelled_at < statuses_at.seen_at then bookings.cancelled_at end as cancelled_at,
        case when bookings.completed_day <= statuses_at.period_end then bookings.completed_day end as completed_day,
        case
            when statuses_at.status_group = 'cancelled' and bookings.cancelled_day <= statuses_at.period_end
                then bookings.cancelled_day
        end as cancelled_day,
        statuses_at.period_end,
        statuses_at.seen_at,
        statuses_at.timezone
    from statuses_at
    inner join {{ ref('fct_bookings') }} as bookings on statuses_at.booking_id = bookings.booking_id
    left join {{ ref('dim_client') }} as clients on bookings.client_id = clients.client_id
    left join {{ ref('int_booking_hours') }} as hours on bookings.booking_id = hours.booking_id
    inner join first_moments on statuses_at.booking_id = first_moments.booking_id
    left join {{ ref('int_booking_terms') }} as terms
        on
            statuses_at.booking_id = terms.booking_id
            and (terms.valid_from is null or statuses_at.seen_at > terms.valid_from)
            and (terms.valid_to is null or statuses_at.seen_at <= terms.valid_to)
    where
        bookings.known_from < statuses_at.seen_at
        and (
            statuses_at.periods_ago = 0
            or statuses_at.status_group in ('pending', 'ongoing')
            or bookings.created_day >= statuses_at.period_start
        )
),

local_days as (
    select
        bookings_at.*,
        {{ local_day('scheduled_start', 'timezone') }} as service_day,
        {{ local_day('scheduled_end', 'timezone') }} as service_end_day,
        {{ local_day('firm_at', 'timezone') }} as firm_day,
        {{ local_day('delivered_at', 'timezone') }} as delivered_day
    from bookings_at
)

select
    booking_id,
    periods_ago,
    org_id,
    service_id,
    provider_id,
    client_group,
    channel,
    hours,
    status,
    status_group,
    total_amount,
    currency,
    is_in_own_currency,
    scheduled_start,
    scheduled_end,
    created_at,
    delivered_at,
    completed_at,
    cancelled_at,
    created_day,
    service_day,
    service_end_day,
    firm_day,
    delivered_day,
    completed_day,
    cancelled_day,
    {{ days_from_to('created_day', 'service_day') }} as lead_days,
    -- A refund after the service day does not change the revenue of that day: it is refunded revenue on its own day.
    coalesce(
        service_day <= period_end
        and (
            {{ is_firm('status_group') }}
            or (status = 'refunded' and cancelled_day > service_day)
        ),
        false
    ) as is_realized,
    seen_at
from local_days
