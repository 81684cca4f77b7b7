{#- Status changes at an unknown time are no activity; the other times are null where they are unknown. #}
{%- set activities = [
    ('fct_bookings', 'known_from'),
    ('fct_bookings', 'completed_at'),
    ('fct_bookings', 'cancelled_at'),
    ('fct_booking_statuses', 'valid_from'),
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

with latest_activities as (
    {% for model, moment in activities %}
        {{ 'union all' if not loop.first }}
        select
            activities.booking_id,
            max(activities.{{ moment }}) as activity_at
        from {{ ref(model) }} as activities
        inner join {{ ref('stg_app__run_clock') }} as run_clock
            on activities.org_id = run_clock.org_id and activities.{{ moment }} < run_clock.as_of_at
        {%- if model == 'fct_booking_statuses' %}
            where activities.is_moment_known
        {%- endif %}
        group by activities.booking_id
    {% endfor %}
)

select
    booking_id,
    max(activity_at) as last_activity_at
from latest_activities
group by booking_id
