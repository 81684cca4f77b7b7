{#- A change of status without a known moment is no event; the others have theirs, or none. #}
{%- set moments = [
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

with moments as (
    {% for model, moment in moments %}
        {{ 'union all' if not loop.first }}
        select
            happenings.booking_id,
            max(happenings.{{ moment }}) as happened_at
        from {{ ref(model) }} as happenings
        inner join {{ ref('stg_app__run_clock') }} as run_clock
            on happenings.org_id = run_clock.org_id and happenings.{{ moment }} < run_clock.as_of_at
        {%- if model == 'fct_booking_statuses' %}
            where happenings.is_moment_known
        {%- endif %}
        group by happenings.booking_id
    {% endfor %}
)

select
    booking_id,
    max(happened_at) as last_activity_at
from moments
group by booking_id
