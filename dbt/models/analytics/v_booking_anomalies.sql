select
    anomalies.org_id,
    anomalies.as_of,
    anomalies.day,
    anomalies.metric,
    metrics.label as metric_label,
    anomalies.dimension,
    anomalies.member,
    coalesce(services.service_name, providers.provider_name, anomalies.member) as member_name,
    anomalies.value,
    anomalies.expected,
    anomalies.lower,
    anomalies.upper,
    anomalies.score,
    anomalies.severity,
    anomalies.direction,
    anomalies.pattern
from {{ source('ml', 'anomalies') }} as anomalies
inner join {{ ref('dim_organization') }} as organizations
    on anomalies.org_id = organizations.org_id and anomalies.day <= organizations.as_of
left join {{ ref('dim_metric') }} as metrics on anomalies.metric = metrics.metric
left join {{ ref('dim_service') }} as services
    on anomalies.dimension = 'service' and anomalies.member = cast(services.service_id as text)
left join {{ ref('dim_provider') }} as providers
    on anomalies.dimension = 'provider' and anomalies.member = cast(providers.provider_id as text)
where anomalies.is_anomaly
