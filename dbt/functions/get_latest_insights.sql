select
    insights.id,
    insights.kind,
    insights.severity,
    insights.status,
    insights.metric,
    insights.dimension,
    insights.member,
    insights.day,
    insights.title,
    insights.summary,
    insights.recommendation,
    insights.value,
    insights.expected,
    insights.impact,
    insights.first_seen,
    insights.last_seen,
    insights.resolved_at
from app.insight_events as insights
where insights.org_id = p_org_id and (p_status = 'any' or insights.status = p_status)
order by
    insights.day desc,
    {{ severity_rank('insights.severity') }} desc,
    insights.first_seen desc,
    insights.id asc
limit p_limit
