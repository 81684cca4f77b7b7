with metric_rows as (
    {% for metric in var('metric_sums') %}
        {{ 'union all' if not loop.first }}
        {{ metric_rows(metric) }}
    {% endfor %}
)

select
    metric_rows.org_id,
    metric_rows.metric,
    metric_rows.day,
    metric_rows.value,
    {% for dimension in var('dimension_columns') %}
        metric_rows.{{ dimension }},
    {% endfor %}
    metric_rows.booking_id
from metric_rows
inner join {{ ref('stg_app__run_clock') }} as run_clock on metric_rows.org_id = run_clock.org_id
where metric_rows.day <= run_clock.as_of
