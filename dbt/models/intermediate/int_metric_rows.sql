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
    metric_rows.booking_id,
    metric_rows.service,
    metric_rows.provider,
    metric_rows.client_group,
    metric_rows.channel,
    metric_rows.service_weekday,
    metric_rows.lead_bucket,
    metric_rows.status_group
from metric_rows
inner join {{ ref('stg_app__run_clock') }} as run_clock on metric_rows.org_id = run_clock.org_id
where metric_rows.day <= run_clock.as_of
