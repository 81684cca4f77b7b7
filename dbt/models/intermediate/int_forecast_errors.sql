-- A day without a row in kpi_daily had none of the metric, up to the last day of the data.
with forecasts as (
    select
        forecasts.org_id,
        organizations.as_of,
        forecasts.metric,
        forecasts.dimension,
        forecasts.member,
        forecasts.day,
        {{ days_from_to('forecasts.as_of', 'forecasts.day') }} as lead_days,
        forecasts.forecast,
        forecasts.lower_80,
        forecasts.upper_80,
        forecasts.lower_95,
        forecasts.upper_95
    from {{ source('ml', 'forecasts') }} as forecasts
    inner join {{ ref('dim_organization') }} as organizations on forecasts.org_id = organizations.org_id
    where
        forecasts.day <= least(organizations.as_of, organizations.last_day)
        and forecasts.day > {{ add_days('organizations.as_of', -var('accuracy_days')) }}
),

compared as (
    select
        forecasts.*,
        coalesce(actuals.value, 0) as actual,
        coalesce(naive_forecasts.value, 0) as naive_forecast
    from forecasts
    left join {{ ref('kpi_daily') }} as actuals
        on
            forecasts.org_id = actuals.org_id
            and forecasts.metric = actuals.metric
            and forecasts.dimension = actuals.dimension
            and forecasts.member = actuals.member
            and forecasts.day = actuals.day
    -- The naive forecast repeats the newest day of the same weekday whose value was known when the forecast was made.
    left join {{ ref('kpi_daily') }} as naive_forecasts
        on
            forecasts.org_id = naive_forecasts.org_id
            and forecasts.metric = naive_forecasts.metric
            and forecasts.dimension = naive_forecasts.dimension
            and forecasts.member = naive_forecasts.member
            and naive_forecasts.day = {{ add_days('forecasts.day', '-7 * ((forecasts.lead_days + 6) / 7)') }}
)

select
    org_id,
    as_of,
    metric,
    dimension,
    member,
    day,
    lead_days,
    {{ as_money('actual') }} as actual,
    {{ as_money('forecast') }} as forecast,
    {{ as_money('forecast - actual') }} as error,
    {{ as_money('naive_forecast - actual') }} as naive_error,
    actual between lower_80 and upper_80 as is_within_80,
    actual between lower_95 and upper_95 as is_within_95
from compared
