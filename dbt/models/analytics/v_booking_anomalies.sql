select
    anomalies.org_id,
    anomalies.as_of,
    anomalies.day,
    anomalies.metric,
    metrics.label as metric_label,
    anomalies.dimension,
    anomalies.member,
    coalesce(members.member_name, anomalies.member) as member_name,
    anomalies.value,
    anomalies.expected,
    anomalies.lower,
    anomalies.upper,
    anomalies.score,
    anomalies.severity,
    anomalies.direction,
    anomalies.pattern,
    anomalies.began,
    anomalies.since_value,
    anomalies.since_expected
from {{ source('ml', 'anomalies') }} as anomalies
inner join {{ ref('dim_organization') }} as organizations
    on anomalies.org_id = organizations.org_id and anomalies.day <= organizations.as_of
left join {{ ref('dim_metric') }} as metrics on anomalies.metric = metrics.metric
left join {{ ref('dim_member') }} as members
    on
        anomalies.org_id = members.org_id
        and anomalies.dimension = members.dimension
        and anomalies.member = members.member
where anomalies.is_anomaly
