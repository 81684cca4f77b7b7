-- A day without a row in kpi_daily had none of the metric, up to the last day of the data. A day without a denominator
-- has no ratio: there is no error of it.
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

-- The naive forecast repeats the newest day of the same weekday whose value was known when the forecast was made.
{%- set days = {
    'actual': 'forecasts.day',
    'naive_forecast': add_days('forecasts.day', '-7 * ((forecasts.lead_days + 6) / 7)'),
} %}
compared as (
    select
        {% for figure in days %}
            case
                when metrics.denominator is null then coalesce({{ figure }}s.value, 0)
                else coalesce({{ figure }}s.value, 0) / nullif({{ figure }}_denominators.value, 0)
            end as {{ figure }},
        {% endfor %}
        forecasts.*
    from forecasts
    left join {{ ref('dim_metric') }} as metrics on forecasts.metric = metrics.metric
    {% for figure, day in days.items() %}
        {% for relation, metric in (
            (figure ~ 's', 'coalesce(metrics.numerator, forecasts.metric)'),
            (figure ~ '_denominators', 'metrics.denominator'),
        ) %}
            left join {{ ref('kpi_daily') }} as {{ relation }}
                on
                    forecasts.org_id = {{ relation }}.org_id
                    and {{ metric }} = {{ relation }}.metric
                    and forecasts.dimension = {{ relation }}.dimension
                    and forecasts.member = {{ relation }}.member
                    and {{ relation }}.day = {{ day }}
        {% endfor %}
    {% endfor %}
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
where actual is not null
