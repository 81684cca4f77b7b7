with sums as (
    select
        org_id,
        as_of,
        metric,
        dimension,
        member,
        lead_days,
        cast(count(*) as integer) as days,
        cast(sum(actual) as numeric(16, 2)) as actual,
        cast(sum(forecast) as numeric(16, 2)) as forecast,
        sum(abs(error)) as absolute_error,
        sum(abs(naive_error)) as naive_absolute_error,
        {{ count_where('is_within_80') }} as days_within_80,
        {{ count_where('is_within_95') }} as days_within_95
    from {{ ref('int_forecast_errors') }}
    group by org_id, as_of, metric, dimension, member, lead_days
)

select
    sums.org_id,
    sums.as_of,
    sums.metric,
    metrics.label as metric_label,
    sums.dimension,
    sums.member,
    coalesce(members.member_name, sums.member) as member_name,
    sums.lead_days,
    sums.days,
    sums.actual,
    sums.forecast,
    {{ share('sums.absolute_error', 'sums.actual') }} as error_share,
    {{ share('sums.naive_absolute_error', 'sums.actual') }} as naive_error_share,
    {{ share('sums.forecast - sums.actual', 'sums.actual') }} as bias_share,
    {{ share('sums.days_within_80', 'sums.days') }} as covered_80_share,
    {{ share('sums.days_within_95', 'sums.days') }} as covered_95_share
from sums
left join {{ ref('dim_metric') }} as metrics on sums.metric = metrics.metric
left join {{ ref('dim_member') }} as members
    on sums.org_id = members.org_id and sums.dimension = members.dimension and sums.member = members.member
