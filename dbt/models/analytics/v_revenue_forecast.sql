-- The newest forecast that was made by as_of, of the days after it.
with newest_forecasts as (
    {{ newest_forecasts('revenue_forecasts') }}
)

select
    forecasts.org_id,
    forecasts.as_of,
    forecasts.day,
    forecasts.service_id,
    services.service_name,
    forecasts.forecast,
    forecasts.lower_80,
    forecasts.upper_80,
    forecasts.lower_95,
    forecasts.upper_95,
    forecasts.on_hand,
    forecasts.model
from {{ source('ml', 'revenue_forecasts') }} as forecasts
inner join newest_forecasts
    on forecasts.org_id = newest_forecasts.org_id and forecasts.as_of = newest_forecasts.as_of
left join {{ ref('dim_service') }} as services on forecasts.service_id = services.service_id
where forecasts.day > newest_forecasts.organization_as_of
