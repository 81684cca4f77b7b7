{{
    config(
        unique_key=['org_id', 'metric', 'dimension', 'member', 'day'],
        indexes=[{'columns': ['org_id', 'metric', 'dimension', 'member', 'day'], 'unique': true}],
    )
}}

-- Rows only where there are facts: an absent day between the first one of the series and as_of is zero.
with sums as (
    {% for model, of_model in var('metric_sums') | groupby('model') %}
        {%- set is_first = loop.first %}
        {% for day, metrics in of_model | groupby('day') %}
            {{ 'union all' if not (is_first and loop.first) }}
            {{ daily_sums(metrics) }}
        {% endfor %}
    {% endfor %}
)

select
    sums.org_id,
    sums.day,
    sums.metric,
    sums.dimension,
    sums.member,
    sums.value
from sums
inner join {{ ref('stg_app__run_clock') }} as run_clock on sums.org_id = run_clock.org_id
where sums.day <= run_clock.as_of
