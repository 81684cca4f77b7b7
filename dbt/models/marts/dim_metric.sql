{{ config(unique_key='metric') }}

{%- set day_columns = {} %}
{% for kpi in var('kpis') %}
    {%- do day_columns.update({kpi['name']: kpi['day']}) %}
    {{ 'union all' if not loop.first }}
    {{ metric_row(kpi, kpi.get('kind', 'sum'), kpi['day'], loop.index) }}
{% endfor %}
{% for ratio in var('ratios') %}
    union all
    {{ metric_row(ratio, 'ratio', day_columns[ratio['numerator']], var('kpis') | length + loop.index) }}
{% endfor %}
