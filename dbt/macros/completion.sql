{# What became of bookings, for the views and functions that sum rows of fct_booking_outcomes, here `outcomes`, and the
   columns made of these sums. #}

{# The mean times of completed bookings: the name of each, and its first and last moment. #}
{% macro completion_spans() -%}
    {{ return({
        'completion': ('created_at', 'completed_at'),
        'lead': ('created_at', 'scheduled_start'),
        'delivery': ('scheduled_start', 'delivered_at'),
    }) }}
{%- endmacro %}


{# The sum of a column of the outcomes for which `condition` holds; 0 if there are none. #}
{% macro outcome_sum(column, condition) -%}
    coalesce(sum(case when {{ condition }} then outcomes.{{ column }} end), 0)
{%- endmacro %}


{# How many bookings there are, were completed, were cancelled, or ended in each way that is counted apart. #}
{% macro outcome_counts() -%}
    sum(outcomes.bookings) as bookings,
        {{ outcome_sum('bookings', "outcomes.status_group = 'completed'") }} as completed,
        {{ outcome_sum('bookings', "outcomes.status_group = 'cancelled'") }} as cancelled,
        {% for name, status in outcomes() %}
            {{ outcome_sum('bookings', "outcomes.status = '" ~ status ~ "'") }} as {{ name }}
            {{- ',' if not loop.last }}
        {% endfor %}
{%- endmacro %}


{# The columns for completion_rates and completion_outcomes. #}
{% macro completion_counts() -%}
    {{ outcome_counts() }},
        sum(outcomes.completion_known) as completion_known,
        {% for age in var('completion_ages') %}
            sum(outcomes.completed_in_{{ age }}_days) as completed_in_{{ age }}_days,
        {% endfor %}
        {% for name in completion_spans() %}
            round(
                cast(sum(outcomes.{{ name }}_seconds) as numeric) / nullif(sum(outcomes.{{ name }}_bookings), 0) / 86400, 2
            ) as avg_{{ name }}_days,
        {% endfor %}
        sum(outcomes.due) as due,
        sum(outcomes.delivered_on_time) as delivered_on_time,
        sum(outcomes.accepted_on_time) as accepted_on_time
{%- endmacro %}


{# What services earned and took, beside outcome_counts; `avg_booking_value` is that of firm bookings. #}
{% macro service_sums() -%}
    sum(outcomes.total_amount) as booked_revenue,
        sum(outcomes.realized_amount) as realized_revenue,
        {{ share(
            outcome_sum('total_amount', is_firm('outcomes.status_group')),
            outcome_sum('bookings', is_firm('outcomes.status_group')),
            digits=2
        ) }} as avg_booking_value,
        sum(outcomes.tracked_hours) as tracked_hours,
        sum(outcomes.realized_hours) as realized_hours,
        sum(outcomes.reviews) as reviews,
        {{ share('sum(outcomes.ratings)', 'sum(outcomes.reviews)', digits=2) }} as avg_rating
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
