select
    anomalies.day,
    anomalies.metric,
    anomalies.metric_label,
    anomalies.dimension,
    anomalies.member,
    anomalies.member_name,
    anomalies.value,
    anomalies.expected,
    anomalies.lower,
    anomalies.upper,
    anomalies.score,
    anomalies.severity,
    anomalies.direction,
    anomalies.pattern,
    anomalies.began
from {{ ref('v_booking_anomalies') }} as anomalies
where
    anomalies.org_id = p_org_id
    and anomalies.day between p_from and p_to
    and {{ severity_rank('anomalies.severity') }} >= {{ severity_rank('p_min_severity') }}
order by
    anomalies.day desc,
    {{ severity_rank('anomalies.severity') }} desc,
    anomalies.score desc,
    anomalies.metric asc,
    anomalies.dimension asc,
    anomalies.member asc
