{# The metrics are variables that dagster_project/warehouse/metrics.py makes from the semantic models and metrics in
   models/marts/_metrics_of_*.yml. Rows for which a measure's expression is null do not count. #}

{# The rows of kpi_daily of the metrics that are summed from one model by one of its days, in one scan of it: org_id, day,
   metric, dimension, member, value. #}
{% macro daily_sums(metrics) -%}
    {%- set day = metrics[0]['day'] -%}
    {%- set dimensions = metrics | map(attribute='dimensions') | sum(start=[]) | unique | reject('equalto', 'total') | list %}
    select
        sums.org_id,
        sums.day,
        parts.metric,
        sums.dimension,
        sums.member,
        parts.value
    from (
        select
            org_id,
            {{ day }} as day,
            {{ dimension_and_member(dimensions) }},
            {%- for metric in metrics %}
            {{ metric['agg'] }}({{ metric['expr'] }}) as sum_{{ loop.index }}{{ ',' if not loop.last }}
            {%- endfor %}
        from {{ ref(metrics[0]['model']) }}
        where {{ day }} is not null
        {{ by_each_dimension(dimensions, ['org_id', day]) }}
    ) as sums
    cross join lateral {{ values_of_sums(metrics) }} as parts
    where sums.member is not null and parts.value is not null
{%- endmacro %}


{# A subquery with a row of metric and value for each column sum_1, sum_2, ... of `sums`; value is null where the metric does
   not have the dimension, or no row counted. #}
{% macro values_of_sums(metrics) -%}
    {{ adapter.dispatch('values_of_sums')(metrics) }}
{%- endmacro %}

{% macro default__values_of_sums(metrics) -%}
    (
        select inline(array(
            {%- for metric in metrics %}
            named_struct('metric', '{{ metric["name"] }}', 'value', {{ metric_value(metric, loop.index) }}){{ ',' if not loop.last }}
            {%- endfor %}
        ))
    )
{%- endmacro %}

{% macro postgres__values_of_sums(metrics) -%}
    (
        {%- for metric in metrics %}
        select '{{ metric["name"] }}' as metric, {{ metric_value(metric, loop.index) }} as value
        {{- ' union all' if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}

{% macro metric_value(metric, number) -%}
    case when sums.dimension in ('{{ metric['dimensions'] | join("', '") }}') then cast({{ 'nullif(sums.sum_' ~ number ~ ', 0)' if metric['agg'] == 'count' else 'sums.sum_' ~ number }} as numeric) end
{%- endmacro %}


{# First and last day of each model and day column of the metrics: the days that dim_date must cover. #}
{% macro days_of_metrics() -%}
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
    {%- for dimension in var('dimension_columns') %}
    {%- if is_booking or dimension in metric['dimensions'] %}
        cast(facts.{{ dimension_column(dimension) }} as text) as {{ dimension }}
    {%- elif metric['has_booking'] %}
        cast(bookings.{{ dimension_column(dimension) }} as text) as {{ dimension }}
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


{# The columns dimension and member of a query that is grouped by by_each_dimension; member is null for rows without one. #}
{% macro dimension_and_member(dimensions) -%}
    case
        {%- for dimension in dimensions %}
        when grouping({{ dimension_column(dimension) }}) = 0 then '{{ dimension }}'
        {%- endfor %}
        when true then 'total'
    end as dimension,
    case
        {%- for dimension in dimensions %}
        when grouping({{ dimension_column(dimension) }}) = 0 then cast({{ dimension_column(dimension) }} as text)
        {%- endfor %}
        when true then 'all'
    end as member
{%- endmacro %}


{# Groups by the columns `keys` alone, and by them with each dimension, in one scan. #}
{% macro by_each_dimension(dimensions, keys) -%}
    group by grouping sets (
        ({{ keys | join(', ') }})
        {%- for dimension in dimensions %}, ({{ keys | join(', ') }}, {{ dimension_column(dimension) }}) {%- endfor %}
    )
{%- endmacro %}


{# The column of a dimension's member on the model of a metric. #}
{% macro dimension_column(dimension) -%}
    {{ var('dimension_columns')[dimension] }}
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
        {{ metric['final_after'] }} as final_after_days,
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
