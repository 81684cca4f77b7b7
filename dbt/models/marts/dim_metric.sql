{{ config(unique_key='metric') }}

{% for metric in var('metric_properties') %}
    {{ 'union all' if not loop.first }}
    {{ metric_row(metric, loop.index) }}
{% endfor %}
