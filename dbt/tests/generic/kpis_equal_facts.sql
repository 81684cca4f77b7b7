{# The total of each metric in kpi_daily equals that of its fact up to as_of. #}
{% test kpis_equal_facts(model) %}
with facts as (
    {%- for metric in var('metric_sums') %}
    {{ 'union all' if not loop.first }}
    select
        facts.org_id,
        '{{ metric["name"] }}' as metric,
        {{ metric['agg'] }}({{ metric['expr'] }}) as value
    from {{ ref(metric['model']) }} as facts
    inner join {{ ref('stg_app__run_clock') }} as run_clock
        on facts.org_id = run_clock.org_id and facts.{{ metric['day'] }} <= run_clock.as_of
    group by facts.org_id
    having count({{ metric['expr'] }}) > 0
    {%- endfor %}
),

kpis as (
    select
        org_id,
        metric,
        sum(value) as value
    from {{ model }}
    where dimension = 'total'
    group by org_id, metric
)

select
    facts.org_id,
    facts.metric,
    facts.value as in_facts,
    kpis.value as in_kpis
from facts
left join kpis on facts.org_id = kpis.org_id and facts.metric = kpis.metric
where kpis.value is null or facts.value <> kpis.value
{% endtest %}
