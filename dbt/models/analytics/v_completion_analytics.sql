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
        {{ count_where("bookings.completed_day is not null or bookings.status_group <> 'completed'") }}
            as completion_known,
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

months_with_ends as (
    select
        months.*,
        {{ last_day_of('month', 'month') }} as month_end
    from months
)

select
    months_with_ends.org_id,
    months_with_ends.month,
    months_with_ends.service_id,
    services.service_name,
    months_with_ends.bookings,
    months_with_ends.completed,
    months_with_ends.cancelled,
    {{ share('months_with_ends.completed', 'months_with_ends.bookings') }} as completion_rate,
    {{ share('months_with_ends.cancellations', 'months_with_ends.bookings') }} as cancellation_rate,
    months_with_ends.avg_completion_days,
    {{ share('months_with_ends.delivered_on_time', 'months_with_ends.due') }} as on_time_rate,
    months_with_ends.month as period_start,
    months_with_ends.month_end as period_end,
    months_with_ends.month_end > months_with_ends.as_of as is_partial,
    {% for name, _ in outcomes() %}
        months_with_ends.{{ name }},
    {% endfor %}
    {{ share('months_with_ends.no_shows', 'months_with_ends.bookings') }} as no_show_rate,
    {% for age in var('completion_ages') %}
        case
            when {{ add_days('months_with_ends.month_end', age) }} <= months_with_ends.as_of
                then {{ share('months_with_ends.completed_in_' ~ age ~ '_days', 'months_with_ends.completion_known') }}
        end as completion_rate_{{ age }}_days,
    {% endfor %}
    months_with_ends.avg_lead_days,
    months_with_ends.avg_delivery_days,
    months_with_ends.due,
    {{ share('months_with_ends.accepted_on_time', 'months_with_ends.due') }} as accepted_on_time_rate
from months_with_ends
left join {{ ref('dim_service') }} as services on months_with_ends.service_id = services.service_id
