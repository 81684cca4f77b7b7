{%- set is_completed = "bookings.status_group = 'completed'" %}
{%- set completed = 'sum(case when ' ~ is_completed ~ ' then 1 else 0 end)' %}
{%- set cancelled = "sum(case when bookings.status_group = 'cancelled' then 1 else 0 end)" %}
{%- set is_scheduled = is_completed ~ ' and bookings.scheduled_end is not null' %}
{%- set is_on_time = is_completed ~ ' and bookings.completed_at <= bookings.scheduled_end' %}
{%- set scheduled = 'sum(case when ' ~ is_scheduled ~ ' then 1 else 0 end)' %}
{%- set on_time = 'sum(case when ' ~ is_on_time ~ ' then 1 else 0 end)' %}

select
    bookings.org_id,
    {{ first_day_of('month', 'bookings.created_day') }} as month,
    bookings.service_id,
    services.service_name,
    count(*) as bookings,
    {{ completed }} as completed,
    {{ cancelled }} as cancelled,
    {{ share(completed, 'count(*)') }} as completion_rate,
    {{ share(cancelled, 'count(*)') }} as cancellation_rate,
    {{ mean_completion_days(is_completed) }} as avg_completion_days,
    {{ share(on_time, scheduled) }} as on_time_rate
from {{ ref('fct_bookings') }} as bookings
left join {{ ref('dim_service') }} as services on bookings.service_id = services.service_id
group by
    bookings.org_id,
    {{ first_day_of('month', 'bookings.created_day') }},
    bookings.service_id,
    services.service_name
