select
    periods.period_start,
    periods.period_end,
    periods.is_partial,
    periods.member,
    members.member_name as member_label,
    periods.value,
    periods.previous,
    periods.year_ago,
    periods.target
from {{ ref('metrics_period') }} as periods
left join {{ ref('dim_member') }} as members
    on
        periods.org_id = members.org_id
        and periods.dimension = members.dimension
        and periods.member = members.member
where
    periods.org_id = p_org_id
    and periods.metric = p_metric
    and periods.dimension = p_dimension
    and periods.grain = p_grain
    and (p_from is null or periods.period_end >= p_from)
    and (p_to is null or periods.period_start <= p_to)
order by periods.period_start, members.member_name, periods.member
