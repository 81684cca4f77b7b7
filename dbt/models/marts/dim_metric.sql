{{ config(unique_key='metric') }}

{% for kpi in var('kpis') %}
    {{ 'union all' if not loop.first }}
    select
        '{{ kpi["name"] }}' as metric,
        '{{ kpi["label"] | replace("'", "''") }}' as label,
        '{{ kpi["unit"] }}' as unit,
        '{{ kpi["description"] | replace("'", "''") }}' as description,
        '{{ kpi["good_direction"] }}' as good_direction,
        '{{ kpi["day"] }}' as day_column,
        {{ kpi.get('watch', true) | lower }} as is_watched,
        {{ loop.index }} as position
{% endfor %}
