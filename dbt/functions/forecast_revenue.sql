select
    forecasts.as_of,
    forecasts.day,
    forecasts.forecast,
    forecasts.lower_80,
    forecasts.upper_80,
    forecasts.lower_95,
    forecasts.upper_95,
    forecasts.on_hand,
    forecasts.model
from {{ ref('v_revenue_forecast') }} as forecasts
inner join {{ ref('dim_organization') }} as organizations on forecasts.org_id = organizations.org_id
where
    forecasts.org_id = p_org_id
    and forecasts.service_id is not distinct from p_service_id
    and forecasts.day <= organizations.as_of + p_days
order by forecasts.day
