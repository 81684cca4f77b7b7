-- The period before a whole day, week, month, quarter or year is that of metrics_period; before other days, as many
-- days. What is not over, or not final, is compared to date. Medians and distinct counts are in no table of days.
with grains as (
    {% for grain in ['day', 'week', 'month', 'quarter', 'year'] %}
        {{ 'union all' if not loop.first }}
        select
            '{{ grain }}' as grain,
            {{ first_day_of(grain, add_days('p_from', -1)) }} as previous_start
        where p_from = {{ first_day_of(grain, 'p_from') }} and p_to = {{ last_day_of(grain, 'p_from') }}
    {% endfor %}
),

metrics as (
    select
        metrics.*,
        grains.grain,
        coalesce(grains.previous_start, p_from - (p_to - p_from + 1)) as previous_start,
        least(p_to, {{ final_day('organizations.as_of', 'metrics.final_after_days') }}) as last_day
    from {{ ref('dim_metric') }} as metrics
    inner join {{ ref('dim_organization') }} as organizations on organizations.org_id = p_org_id
    left join grains on true
    where metrics.kind in ('sum', 'stock', 'ratio')
),

metric_parts as (
    select
        metric,
        coalesce(numerator, metric) as part,
        true as is_numerator,
        denominator is null as is_first_known
    from metrics
    union all
    select
        metric,
        denominator as part,
        false as is_numerator,
        true as is_first_known
    from metrics
    where denominator is not null
),

parts as (
    select
        metric_parts.*,
        (
            select min(kpis.day)
            from {{ ref('kpi_daily') }} as kpis
            where
                kpis.org_id = p_org_id
                and kpis.metric = metric_parts.part
                and kpis.dimension = 'total'
                and kpis.member = 'all'
        ) as first_day
    from metric_parts
),

-- Before its first day nothing is known of a metric; of a ratio, before that of its denominator.
first_days as (
    select
        metric,
        first_day
    from parts
    where is_first_known and first_day is not null
),

known as (
    select
        metrics.*,
        first_days.first_day
    from metrics
    inner join first_days on metrics.metric = first_days.metric
    where metrics.last_day >= greatest(p_from, first_days.first_day)
),

period_days as (
    select
        metric,
        kind,
        'value' as role,
        p_from as first_day,
        last_day
    from known
    union all
    select
        metric,
        kind,
        'previous' as role,
        previous_start as first_day,
        case when last_day = p_to then p_from - 1 else least(p_from - 1, previous_start + (last_day - p_from)) end
            as last_day
    from known
    where previous_start >= first_day
    union all
    select
        metric,
        kind,
        'year_ago' as role,
        {{ add_days('p_from', -364) }} as first_day,
        {{ add_days('last_day', -364) }} as last_day
    from known
    where {{ add_days('p_from', -364) }} >= first_day
),

part_days as (
    select
        period_days.*,
        parts.is_numerator,
        (
            select sum(kpis.value)
            from {{ ref('kpi_daily') }} as kpis
            where
                kpis.org_id = p_org_id
                and kpis.metric = parts.part
                and kpis.dimension = 'total'
                and kpis.member = 'all'
                and kpis.day <= period_days.last_day
                and kpis.day
                >= case period_days.kind when 'stock' then period_days.last_day else period_days.first_day end
        ) as value
    from period_days
    inner join parts on period_days.metric = parts.metric
),

periods as (
    select
        period_days.metric,
        period_days.kind,
        {{ by_role('sum(period_days.value)', 'period_days.is_numerator') }},
        {{ by_role('sum(period_days.value)', 'not period_days.is_numerator', '_denominator') }}
    from part_days as period_days
    group by period_days.metric, period_days.kind
)

select
    known.metric,
    known.label,
    known.unit,
    {{ period_figure('value') }} as value,
    case when known.previous_start >= known.first_day then {{ period_figure('previous') }} end as previous,
    case when {{ add_days('p_from', -364) }} >= known.first_day then {{ period_figure('year_ago') }} end as year_ago,
    targets.target,
    known.good_direction
from periods
inner join known on periods.metric = known.metric
left join {{ ref('metric_targets') }} as targets
    on
        targets.org_id = p_org_id
        and known.grain = targets.grain
        and known.metric = targets.metric
        and targets.dimension = 'total'
        and targets.member = 'all'
        and p_from >= targets.starts_on
        and (targets.until_day is null or p_from < targets.until_day)
order by known.position
