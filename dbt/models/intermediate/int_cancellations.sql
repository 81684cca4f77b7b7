{{
    config(
        materialized='incremental',
        incremental_strategy='only_differences',
        on_schema_change='fail',
        unique_key=['org_id', 'month', 'service_id', 'status', 'cancel_reason', 'lead_bucket', 'notice_bucket'],
        post_hook="{{ analyze_table() }}",
        indexes=[{'columns': ['org_id', 'month']}],
    )
}}

-- Bookings that ended without their service, by the month of that end. What was kept of them is counted in that month
-- too, whenever it was paid; kept_revenue in kpi_daily has it by the day from which it was kept.
with kept as (
    select
        org_id,
        booking_id,
        sum(kept_amount) as kept_amount
    from {{ ref('int_kept_payments') }}
    group by org_id, booking_id
),

cancellations as (
    select
        states.org_id,
        {{ first_day_of('month', 'states.cancelled_day') }} as month,
        states.service_id,
        states.status,
        coalesce(bookings.cancel_reason, 'not stated') as cancel_reason,
        coalesce(states.lead_bucket, 'unknown') as lead_bucket,
        case
            when states.service_day is null then 'unknown'
            when states.service_day < states.cancelled_day then 'after the service day'
            else {{ lead_bucket(days_from_to('states.cancelled_day', 'states.service_day')) }}
        end as notice_bucket,
        case when states.is_in_own_currency then states.total_amount else 0 end as amount,
        coalesce(kept.kept_amount, 0) as kept_amount
    from {{ ref('int_bookings_as_of') }} as states
    inner join {{ ref('fct_bookings') }} as bookings on states.booking_id = bookings.booking_id
    left join kept on states.org_id = kept.org_id and states.booking_id = kept.booking_id
    where states.status_group = 'cancelled' and not states.is_realized and states.cancelled_day is not null
)

select
    org_id,
    month,
    service_id,
    status,
    cancel_reason,
    lead_bucket,
    notice_bucket,
    count(*) as bookings,
    {{ as_money('sum(amount)') }} as amount,
    {{ as_money('sum(kept_amount)') }} as kept_amount
from cancellations
group by org_id, month, service_id, status, cancel_reason, lead_bucket, notice_bucket
