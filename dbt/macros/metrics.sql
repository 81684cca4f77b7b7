{# The metrics are variables that dagster_project/warehouse/metrics.py makes from the semantic models and metrics in
   models/marts/_metrics_of_*.yml. Rows for which a measure's expression is null do not count. #}

{# The rows of one of var('metric_sums'), summed by each of its dimensions: org_id, day, metric, dimension, member, value. #}
{% macro metric_sum(metric) -%}
    {%- for dimension in metric['dimensions'] %}
    {%- set member = dimension_column(dimension) %}
    {{ 'union all' if not loop.first }}
    select
        org_id,
        {{ metric['day'] }} as day,
        '{{ metric["name"] }}' as metric,
        '{{ dimension }}' as dimension,
        {{ member }} as member,
        cast({{ metric['agg'] }}({{ metric['expr'] }}) as numeric) as value
    from {{ ref(metric['model']) }}
    where
        {{ metric['day'] }} is not null
        {%- if dimension != 'total' %}
        and {{ member }} is not null
        {%- endif %}
        and ({{ metric['expr'] }}) is not null
    group by 1, 2, 3, 4, 5
    {%- endfor %}
{%- endmacro %}


{# First and last day of each model and day column of the metrics: the days that dim_date must cover. #}
{% macro metric_days() -%}
    {%- for model, day in var('metric_days') %}
    {{ 'union all' if not loop.first }}
    select min({{ day }}) as first_day, max({{ day }}) as last_day
    from {{ ref(model) }}
    {%- endfor %}
{%- endmacro %}


{# The rows of one of var('metric_sums') before they are summed. A dimension of the metric is the row's own; the others are
   those of its booking. #}
{% macro metric_rows(metric) -%}
    {%- set is_booking = metric['rows'] == 'int_bookings_as_of' -%}
    select
        facts.org_id,
        {{ as_text(metric['name']) }} as metric,
        facts.{{ metric['day'] }} as day,
        cast({{ '1' if metric['agg'] == 'count' else 'facts.measured' }} as numeric) as value,
        {{ 'facts.booking_id' if metric['has_booking'] else 'cast(null as uuid)' }} as booking_id,
    {%- for dimension in ['service', 'provider', 'client_group', 'channel', 'service_weekday', 'lead_bucket'] %}
    {%- if is_booking or dimension in metric['dimensions'] %}
        {{ dimension_column(dimension, 'facts.') }} as {{ dimension }}
    {%- elif metric['has_booking'] %}
        {{ dimension_column(dimension, 'bookings.') }} as {{ dimension }}
    {%- else %}
        {{ as_text(none) }} as {{ dimension }}
    {%- endif %}
    {{- ',' if not loop.last }}
    {%- endfor %}
    from (
        select
            *,
            {{ metric['expr'] }} as measured
        from {{ ref(metric['rows']) }}
    ) as facts
    {%- if metric['has_booking'] and not is_booking %}
    left join {{ ref('int_bookings_as_of') }} as bookings on facts.booking_id = bookings.booking_id
    {%- endif %}
    where facts.measured is not null
{%- endmacro %}


{# The expression of a dimension's member on the model of a metric, with the prefix of its columns. #}
{% macro dimension_column(dimension, prefix='') -%}
    {%- if dimension == 'total' -%}
    'all'
    {%- elif dimension in ('service', 'provider') -%}
    cast({{ prefix }}{{ dimension }}_id as text)
    {%- else -%}
    {{ prefix }}{{ dimension }}
    {%- endif -%}
{%- endmacro %}


{# The row of dim_metric of one of var('metric_properties'). #}
{% macro metric_row(metric, position) -%}
    select
        {{ as_text(metric['name']) }} as metric,
        {{ as_text(metric['label']) }} as label,
        {{ as_text(metric['unit']) }} as unit,
        {{ as_text(metric['description']) }} as description,
        {{ as_text(metric['good_direction']) }} as good_direction,
        {{ as_text(metric['kind']) }} as kind,
        {{ as_text(metric.get('numerator')) }} as numerator,
        {{ as_text(metric.get('denominator')) }} as denominator,
        {{ as_text_array(metric['dimensions']) }} as dimensions,
        {{ as_text_array(metric['drives']) }} as drives,
        {{ as_text(metric['day_column']) }} as day_column,
        {{ metric['watch'] | lower }} as is_watched,
        {{ metric['forecast'] | lower }} as is_forecast,
        {{ position }} as position
{%- endmacro %}


{# A text of the project as a literal; none is null. #}
{% macro as_text(value) -%}
    {%- if value is none -%}
    cast(null as {{ dbt.type_string() }})
    {%- else -%}
    '{{ value | replace("'", "''") }}'
    {%- endif -%}
{%- endmacro %}


{% macro as_text_array(values) -%}
    {{ adapter.dispatch('as_text_array')(values) }}
{%- endmacro %}

{% macro default__as_text_array(values) -%}
    cast(array({% for value in values %}{{ as_text(value) }}{{ ', ' if not loop.last }}{% endfor %}) as array<string>)
{%- endmacro %}

{% macro postgres__as_text_array(values) -%}
    cast(array[{% for value in values %}{{ as_text(value) }}{{ ', ' if not loop.last }}{% endfor %}] as text [])
{%- endmacro %}
