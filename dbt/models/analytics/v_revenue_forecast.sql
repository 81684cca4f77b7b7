with newest as (
    select
        org_id,
        max(as_of) as as_of
    from {{ source('ml', 'revenue_forecasts') }}
    group by org_id
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
inner join newest on forecasts.org_id = newest.org_id and forecasts.as_of = newest.as_of
left join {{ ref('dim_service') }} as services on forecasts.service_id = services.service_id
