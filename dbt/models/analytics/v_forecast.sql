-- The newest forecasts that were made by as_of, of the days after it.
with newest_forecasts as (
    {{ newest_forecasts('forecasts') }}
)

select
    forecasts.org_id,
    forecasts.as_of,
    forecasts.day,
    forecasts.metric,
    metrics.label as metric_label,
    metrics.unit,
    forecasts.dimension,
    forecasts.member,
    coalesce(members.member_name, forecasts.member) as member_name,
    forecasts.forecast,
    forecasts.lower_80,
    forecasts.upper_80,
    forecasts.lower_95,
    forecasts.upper_95,
    forecasts.on_hand,
    forecasts.model
from {{ source('ml', 'forecasts') }} as forecasts
inner join newest_forecasts
    on forecasts.org_id = newest_forecasts.org_id and forecasts.as_of = newest_forecasts.as_of
left join {{ ref('dim_metric') }} as metrics on forecasts.metric = metrics.metric
left join {{ ref('dim_member') }} as members
    on
        forecasts.org_id = members.org_id
        and forecasts.dimension = members.dimension
        and forecasts.member = members.member
where forecasts.day > newest_forecasts.organization_as_of
