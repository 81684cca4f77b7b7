{%- set completed = count_where("bookings.status_group = 'completed'") %}
{%- set is_due = "bookings.service_end_day <= run_clock.as_of and bookings.status_group in ('ongoing', 'completed')" %}
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

dated as (
    select
        months.*,
        {{ add_days(dbt.dateadd('month', 1, 'month'), -1) }} as month_end
    from months
)

select
    dated.org_id,
    dated.month,
    dated.service_id,
    services.service_name,
    dated.bookings,
    dated.completed,
    dated.cancelled,
    {{ share('dated.completed', 'dated.bookings') }} as completion_rate,
    {{ share('dated.cancellations', 'dated.bookings') }} as cancellation_rate,
    dated.avg_completion_days,
    {{ share('dated.delivered_on_time', 'dated.due') }} as on_time_rate,
    dated.month as period_start,
    dated.month_end as period_end,
    dated.month_end > dated.as_of as is_partial,
    {% for name, _ in outcomes() %}
        dated.{{ name }},
    {% endfor %}
    {{ share('dated.no_shows', 'dated.bookings') }} as no_show_rate,
    {% for age in var('completion_ages') %}
        case
            when {{ add_days('dated.month_end', age) }} <= dated.as_of
                then {{ share('dated.completed_in_' ~ age ~ '_days', 'dated.bookings') }}
        end as completion_rate_{{ age }}_days,
    {% endfor %}
    dated.avg_lead_days,
    dated.avg_delivery_days,
    dated.due,
    {{ share('dated.accepted_on_time', 'dated.due') }} as accepted_on_time_rate
from dated
left join {{ ref('dim_service') }} as services on dated.service_id = services.service_id
