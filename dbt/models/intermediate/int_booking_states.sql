{{
    config(
        materialized='incremental',
        incremental_strategy='only_differences',
        on_schema_change='fail',
        unique_key=['booking_id', 'periods_ago'],
        post_hook="{{ analyze_table() }}",
        indexes=[
            {'columns': ['booking_id', 'periods_ago'], 'unique': true},
            {'columns': ['org_id', 'periods_ago', 'created_day']},
            {'columns': ['org_id', 'periods_ago', 'derived_status']},
        ],
    )
}}

with states as (
    select
        bookings.booking_id,
        bookings.periods_ago,
        bookings.org_id,
        bookings.created_day,
        bookings.status,
        {{
            derived_status(
                'bookings.status_group',
                'bookings.scheduled_start',
                'bookings.scheduled_end',
                'progress.progress_pct',
                'milestones.milestones_past_due',
                'bookings.seen_at',
            )
        }} as derived_status,
        progress.progress_pct,
        coalesce(milestones.milestones_total, 0) as milestones_total,
        coalesce(milestones.milestones_done, 0) as milestones_done,
        coalesce(milestones.milestones_past_due, 0) as milestones_past_due,
        milestones.next_due_at,
        money.invoiced_amount,
        money.paid_amount,
        money.outstanding_amount,
        money.past_due_amount,
        case when bookings.periods_ago = 0 then activity.last_activity_at end as last_activity_at
    from {{ ref('int_bookings_at') }} as bookings
    left join {{ ref('int_booking_progress') }} as progress
        on bookings.booking_id = progress.booking_id and bookings.periods_ago = progress.periods_ago
    left join {{ ref('int_booking_milestones') }} as milestones
        on bookings.booking_id = milestones.booking_id and bookings.periods_ago = milestones.periods_ago
    left join {{ ref('int_booking_money') }} as money
        on bookings.booking_id = money.booking_id and bookings.periods_ago = money.periods_ago
    left join {{ ref('int_booking_activity') }} as activity on bookings.booking_id = activity.booking_id
)

select
    states.*,
    case
        when states.derived_status <> 'overdue' then null
        when states.status in {{ statuses_from('waits_for_client') }} then 'client'
        when states.status in {{ statuses_from('waits_for_payment') }} and states.past_due_amount > 0 then 'payment'
        else 'provider'
    end as overdue_reason
from states
