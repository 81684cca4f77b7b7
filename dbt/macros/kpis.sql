{# The rows of one block of var('kpis'), summed by each of its dimensions: org_id, day, metric, dimension, member, value. #}
{% macro kpi_rows(kpi) -%}
    {%- for dimension in kpi['dimensions'] %}
    {%- set member = "'all'" if dimension == 'total' else 'cast(' ~ dimension ~ '_id as text)' %}
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
        and {{ dimension }}_id is not null
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
