{# What became of bookings, for v_completion_analytics and get_completion_analytics: counts of the rows `bookings`, and the
   columns made of these counts. #}

{% macro completion_counts(as_of) -%}
    {#- The punctuality of a booking is unknown if the day of its delivery or completion is unknown. #}
    {%- set is_due = 'bookings.service_end_day <= ' ~ as_of ~ ' and ' ~ is_firm('bookings.status_group')
        ~ " and (bookings.delivered_day is not null or bookings.status not in ('delivered', 'completed'))"
        ~ " and (bookings.completed_day is not null or bookings.status <> 'completed')" -%}
    {%- set is_completed = "bookings.status_group = 'completed'" -%}
    count(*) as bookings,
        {{ count_where(is_completed) }} as completed,
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
        {{ mean_days('bookings.created_at', 'bookings.completed_at', is_completed) }} as avg_completion_days,
        {{ mean_days('bookings.created_at', 'bookings.scheduled_start', is_completed) }} as avg_lead_days,
        {{ mean_days('bookings.scheduled_start', 'bookings.delivered_at', is_completed) }} as avg_delivery_days,
        {{ count_where(is_due) }} as due,
        {{ count_where(is_due ~ ' and bookings.delivered_day <= bookings.service_end_day') }} as delivered_on_time,
        {{ count_where(is_due ~ ' and bookings.completed_day <= bookings.service_end_day') }} as accepted_on_time
{%- endmacro %}


{% macro completion_rates(counts) -%}
    {{ counts }}.bookings,
    {{ counts }}.completed,
    {{ counts }}.cancelled,
    {{ share(counts ~ '.completed', counts ~ '.bookings') }} as completion_rate,
    {{ share(counts ~ '.cancellations', counts ~ '.bookings') }} as cancellation_rate,
    {{ counts }}.avg_completion_days,
    {{ share(counts ~ '.delivered_on_time', counts ~ '.due') }} as on_time_rate
{%- endmacro %}


{# The rates at a fixed age are null until the last booking of the period has that age. #}
{% macro completion_outcomes(counts, last_day, as_of) -%}
    {% for name, _ in outcomes() %}
        {{ counts }}.{{ name }},
    {% endfor %}
    {{ share(counts ~ '.no_shows', counts ~ '.bookings') }} as no_show_rate,
    {% for age in var('completion_ages') %}
        case
            when {{ add_days(last_day, age) }} <= {{ as_of }}
                then {{ share(counts ~ '.completed_in_' ~ age ~ '_days', counts ~ '.completion_known') }}
        end as completion_rate_{{ age }}_days,
    {% endfor %}
    {{ counts }}.avg_lead_days,
    {{ counts }}.avg_delivery_days,
    {{ counts }}.due,
    {{ share(counts ~ '.accepted_on_time', counts ~ '.due') }} as accepted_on_time_rate
{%- endmacro %}
