-- Realized revenue, for the lead times of v_revenue_forecast.
select
    accuracy.org_id,
    accuracy.as_of,
    services.service_id,
    services.service_name,
    accuracy.lead_days,
    accuracy.days,
    accuracy.actual,
    accuracy.forecast,
    accuracy.error_share,
    accuracy.naive_error_share,
    accuracy.bias_share,
    accuracy.covered_80_share,
    accuracy.covered_95_share
from {{ ref('v_metric_forecast_accuracy') }} as accuracy
left join {{ ref('dim_service') }} as services
    on accuracy.dimension = 'service' and accuracy.member = cast(services.service_id as text)
where
    accuracy.metric = 'realized_revenue'
    and accuracy.lead_days <= {{ var('horizon_days') }}
    and (accuracy.dimension = 'total' or services.service_id is not null)
