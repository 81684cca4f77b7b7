select
    accuracy.org_id,
    accuracy.as_of,
    accuracy.service_id,
    services.service_name,
    accuracy.lead_days,
    accuracy.days,
    accuracy.actual,
    accuracy.forecast,
    {{ share('accuracy.absolute_error', 'accuracy.actual') }} as error_share,
    {{ share('accuracy.naive_absolute_error', 'accuracy.actual') }} as naive_error_share,
    {{ share('accuracy.forecast - accuracy.actual', 'accuracy.actual') }} as bias_share,
    {{ share('accuracy.covered_80', 'accuracy.days') }} as covered_80_share,
    {{ share('accuracy.covered_95', 'accuracy.days') }} as covered_95_share
from {{ source('ml', 'forecast_accuracy') }} as accuracy
left join {{ ref('dim_service') }} as services on accuracy.service_id = services.service_id
