{{
    config(
        materialized='incremental',
        incremental_strategy='only_differences',
        on_schema_change='fail',
        unique_key='booking_id',
        indexes=[{'columns': ['booking_id'], 'unique': true}, {'columns': ['org_id', 'created_day']}],
    )
}}

select
    bookings.booking_id,
    bookings.org_id,
    bookings.created_day,
    bookings.status,
    {{
        derived_status(
            'bookings.status_group',
            'bookings.scheduled_start',
            'bookings.scheduled_end',
            'bookings.progress_pct',
            'milestones.milestones_past_due',
            'run_clock.as_of_at',
        )
    }} as derived_status,
    coalesce(milestones.milestones_total, 0) as milestones_total,
    coalesce(milestones.milestones_done, 0) as milestones_done,
    coalesce(milestones.milestones_past_due, 0) as milestones_past_due,
    milestones.next_due_at,
    money.invoiced_amount,
    money.paid_amount,
    money.outstanding_amount,
    activity.last_activity_at
from {{ ref('fct_bookings') }} as bookings
left join {{ ref('stg_app__run_clock') }} as run_clock on bookings.org_id = run_clock.org_id
left join {{ ref('int_booking_milestones') }} as milestones on bookings.booking_id = milestones.booking_id
left join {{ ref('int_booking_money') }} as money on bookings.booking_id = money.booking_id
left join {{ ref('int_booking_activity') }} as activity on bookings.booking_id = activity.booking_id
