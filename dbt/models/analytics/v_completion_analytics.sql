{%- set completed = count_where("bookings.status_group = 'completed'") %}
{#- The punctuality of a booking is unknown if the day of its delivery or completion is unknown. #}
{%- set is_due = 'bookings.service_end_day <= run_clock.as_of and ' ~ is_firm('bookings.status_group')
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

dated_months as (
    select
        months.*,
        {{ last_day_of('month', 'month') }} as month_end
    from months
)

select
    dated_months.org_id,
    dated_months.month,
    dated_months.service_id,
    services.service_name,
    dated_months.bookings,
    dated_months.completed,
    dated_months.cancelled,
    {{ share('dated_months.completed', 'dated_months.bookings') }} as completion_rate,
    {{ share('dated_months.cancellations', 'dated_months.bookings') }} as cancellation_rate,
    dated_months.avg_completion_days,
    {{ share('dated_months.delivered_on_time', 'dated_months.due') }} as on_time_rate,
    dated_months.month as period_start,
    dated_months.month_end as period_end,
    dated_months.month_end > dated_months.as_of as is_partial,
    {% for name, _ in outcomes() %}
        dated_months.{{ name }},
    {% endfor %}
    {{ share('dated_months.no_shows', 'dated_months.bookings') }} as no_show_rate,
    {% for age in var('completion_ages') %}
        case
            when {{ add_days('dated_months.month_end', age) }} <= dated_months.as_of
                then {{ share('dated_months.completed_in_' ~ age ~ '_days', 'dated_months.dated') }}
        end as completion_rate_{{ age }}_days,
    {% endfor %}
    dated_months.avg_lead_days,
    dated_months.avg_delivery_days,
    dated_months.due,
    {{ share('dated_months.accepted_on_time', 'dated_months.due') }} as accepted_on_time_rate
from dated_months
left join {{ ref('dim_service') }} as services on dated_months.service_id = services.service_id
