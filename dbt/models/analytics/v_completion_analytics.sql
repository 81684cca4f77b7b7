{%- set completed = count_where("bookings.status_group = 'completed'") %}
{#- Whether a booking was punctual cannot be said where its delivery or completion has no known day. #}
{%- set is_due = "bookings.service_end_day <= run_clock.as_of and bookings.status_group in ('ongoing', 'completed')"
    ~ " and (bookings.delivered_day is not null or bookings.status not in ('delivered', 'completed'))"
    ~ " and (bookings.completed_day is not null or bookings.status <> 'completed')" %}
{%- set due = count_where(is_due) %}
{%- set month = first_day_of('month', 'bookings.created_day') %}

with months as (
    select
        bookings.org_id,
        {{ month }} as month,
        bookings.service_id,
        run_clock.as_of,
        count(*) as bookings,
        {{ completed }} as completed,
        {{ count_where("bookings.status_group = 'cancelled'") }} as cancelled,
        {% for name, status in outcomes() %}
            {{ count_where("bookings.status = '" ~ status ~ "'") }} as {{ name }},
        {% endfor %}
        {{ count_where("bookings.completed_day is not null or bookings.status_group <> 'completed'") }} as dated,
        {% for age in var('completion_ages') %}
            {{ count_where('bookings.completed_day <= ' ~ add_days('bookings.created_day', age)) }}
                as completed_in_{{ age }}_days,
        {% endfor %}
        {{ mean_days('bookings.created_at', 'bookings.completed_at', "bookings.status_group = 'completed'") }}
            as avg_completion_days,
        {{ mean_days('bookings.created_at', 'bookings.scheduled_start', "bookings.status_group = 'completed'") }}
            as avg_lead_days,
        {{ mean_days('bookings.scheduled_start', 'bookings.delivered_at', "bookings.status_group = 'completed'") }}
            as avg_delivery_days,
        {{ due }} as due,
        {{ count_where(is_due ~ ' and bookings.delivered_day <= bookings.service_end_day') }} as delivered_on_time,
        {{ count_where(is_due ~ ' and bookings.completed_day <= bookings.service_end_day') }} as accepted_on_time
    from {{ ref('int_bookings_as_of') }} as bookings
    inner join {{ ref('stg_app__run_clock') }} as run_clock on bookings.org_id = run_clock.org_id
    group by bookings.org_id, {{ month }}, bookings.service_id, run_clock.as_of
),

months_ended as (
    select
        months.*,
        {{ last_day_of('month', 'month') }} as month_end
    from months
)

select
    months_ended.org_id,
    months_ended.month,
    months_ended.service_id,
    services.service_name,
    months_ended.bookings,
    months_ended.completed,
    months_ended.cancelled,
    {{ share('months_ended.completed', 'months_ended.bookings') }} as completion_rate,
    {{ share('months_ended.cancellations', 'months_ended.bookings') }} as cancellation_rate,
    months_ended.avg_completion_days,
    {{ share('months_ended.delivered_on_time', 'months_ended.due') }} as on_time_rate,
    months_ended.month as period_start,
    months_ended.month_end as period_end,
    months_ended.month_end > months_ended.as_of as is_partial,
    {% for name, _ in outcomes() %}
        months_ended.{{ name }},
    {% endfor %}
    {{ share('months_ended.no_shows', 'months_ended.bookings') }} as no_show_rate,
    {% for age in var('completion_ages') %}
        case
            when {{ add_days('months_ended.month_end', age) }} <= months_ended.as_of
                then {{ share('months_ended.completed_in_' ~ age ~ '_days', 'months_ended.dated') }}
        end as completion_rate_{{ age }}_days,
    {% endfor %}
    months_ended.avg_lead_days,
    months_ended.avg_delivery_days,
    months_ended.due,
    {{ share('months_ended.accepted_on_time', 'months_ended.due') }} as accepted_on_time_rate
from months_ended
left join {{ ref('dim_service') }} as services on months_ended.service_id = services.service_id
