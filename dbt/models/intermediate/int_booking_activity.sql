{%- set moments = [
    ('fct_bookings', 'created_at'),
    ('fct_bookings', 'completed_at'),
    ('fct_bookings', 'cancelled_at'),
    ('fct_booking_status_changes', 'changed_at'),
    ('fct_milestones', 'completed_at'),
    ('fct_tasks', 'completed_at'),
    ('fct_time_entries', 'started_at'),
    ('fct_time_entries', 'ended_at'),
    ('stg_app__approvals', 'decided_at'),
    ('fct_invoices', 'issued_at'),
    ('fct_payments', 'paid_at'),
    ('stg_app__messages', 'sent_at'),
    ('fct_reviews', 'reviewed_at'),
] %}

with moments as (
    {% for model, moment in moments %}
        {{ 'union all' if not loop.first }}
        select
            booking_id,
            max({{ moment }}) as happened_at
        from {{ ref(model) }}
        group by booking_id
    {% endfor %}
)

select
    booking_id,
    max(happened_at) as last_activity_at
from moments
group by booking_id
