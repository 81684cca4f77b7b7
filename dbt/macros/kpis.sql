{# The rows of one block of var('kpis'), summed by each of its dimensions: org_id, day, metric, dimension, member, value. #}
{% macro kpi_rows(kpi) -%}
    {%- for dimension in kpi['dimensions'] %}
    {%- set member = dimension_column(dimension) %}
    {{ 'union all' if not loop.first }}
    select
        org_id,
        {{ kpi['day'] }} as day,
        '{{ kpi["name"] }}' as metric,
        '{{ dimension }}' as dimension,
        {{ member }} as member,
        cast(sum({{ kpi['value'] }}) as numeric) as value
    from {{ ref(kpi['model']) }}
    where
        {{ kpi['day'] }} is not null
        {%- if dimension != 'total' %}
        and {{ member }} is not null
        {%- endif %}
        {%- if kpi.get('filter') %}
        and {{ kpi['filter'] }}
        {%- endif %}
    group by 1, 2, 3, 4, 5
    {%- endfor %}
{%- endmacro %}


{# First and last day of every distinct model and day column of var('kpis'): the days that dim_date must cover. #}
{% macro kpi_days() -%}
    {%- set seen = [] -%}
    {%- for kpi in var('kpis') if (kpi['model'], kpi['day']) not in seen %}
    {{ 'union all' if not loop.first }}
    select min({{ kpi['day'] }}) as first_day, max({{ kpi['day'] }}) as last_day
    from {{ ref(kpi['model']) }}
    {%- do seen.append((kpi['model'], kpi['day'])) -%}
    {%- endfor %}
{%- endmacro %}


{# The rows of one block of var('kpis') before they are summed. A dimension of the metric is the row's own; the others are
   those of its booking. #}
{% macro metric_rows(kpi) -%}
    {%- set model = kpi.get('rows', kpi['model']) -%}
    {%- set is_booking = model == 'int_bookings_as_of' -%}
    {%- set has_booking = kpi.get('by_booking', true) -%}
    select
        facts.org_id,
        {{ as_text(kpi['name']) }} as metric,
        facts.{{ kpi['day'] }} as day,
        cast(facts.metric_value as numeric) as value,
        {{ 'facts.booking_id' if has_booking else 'cast(null as uuid)' }} as booking_id,
    {%- for dimension in ['service', 'provider', 'client_group', 'channel', 'service_weekday', 'lead_bucket'] %}
    {%- if is_booking or dimension in kpi['dimensions'] %}
        {{ dimension_column(dimension, 'facts.') }} as {{ dimension }}
    {%- elif has_booking %}
        {{ dimension_column(dimension, 'bookings.') }} as {{ dimension }}
    {%- else %}
        {{ as_text(none) }} as {{ dimension }}
    {%- endif %}
    {{- ',' if not loop.last }}
    {%- endfor %}
    from (
        select
            *,
            {{ kpi['value'] }} as metric_value
        from {{ ref(model) }}
        {%- if kpi.get('filter') %}
        where {{ kpi['filter'] }}
        {%- endif %}
    ) as facts
    {%- if has_booking and not is_booking %}
    left join {{ ref('int_bookings_as_of') }} as bookings on facts.booking_id = bookings.booking_id
    {%- endif %}
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


{# The row of dim_metric of one block of var('kpis') or var('ratios'). #}
{% macro metric_row(metric, kind, day_column, position) -%}
    select
        {{ as_text(metric['name']) }} as metric,
        {{ as_text(metric['label']) }} as label,
        {{ as_text(metric['unit']) }} as unit,
        {{ as_text(metric['description']) }} as description,
        {{ as_text(metric['good_direction']) }} as good_direction,
        {{ as_text(kind) }} as kind,
        {{ as_text(metric.get('numerator')) }} as numerator,
        {{ as_text(metric.get('denominator')) }} as denominator,
        {{ as_text_array(metric.get('drives', [])) }} as drives,
        {{ as_text(day_column) }} as day_column,
        {{ metric.get('watch', true) | lower }} as is_watched,
        {{ metric.get('forecast', false) | lower }} as is_forecast,
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
