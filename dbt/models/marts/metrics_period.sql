{{ config(materialized='view') }}

-- A view: kpi_daily holds the days, and a query of some metrics or periods reads their rows alone. A metric of what
-- became of bookings within some days has only the days that are as old as that: all of them have the same age.
with parts as (
    select
        metric,
        kind,
        dimensions,
        final_after_days,
        metric as part,
        true as is_numerator
    from {{ ref('dim_metric') }}
    where kind in ('sum', 'stock')
    union all
    select
        metric,
        kind,
        dimensions,
        final_after_days,
        numerator as part,
        true as is_numerator
    from {{ ref('dim_metric') }}
    where kind = 'ratio'
    union all
    select
        metric,
        kind,
        dimensions,
        final_after_days,
        denominator as part,
        false as is_numerator
    from {{ ref('dim_metric') }}
    where kind = 'ratio'
),

periods as (
    select
        kpis.org_id,
        period_days.grain,
        period_days.period_start,
        period_days.period_end,
        period_days.previous_start,
        kpis.dimension,
        kpis.member,
        parts.metric,
        parts.kind,
        {{ by_role('sum(kpis.value)', 'parts.is_numerator') }},
        {{ by_role('sum(kpis.value)', 'not parts.is_numerator', '_denominator') }}
    from parts
    inner join {{ ref('kpi_daily') }} as kpis on parts.part = kpis.metric
    inner join {{ ref('stg_app__run_clock') }} as run_clock on kpis.org_id = run_clock.org_id
    inner join {{ ref('int_period_days') }} as period_days
        on
            {{ final_day('run_clock.as_of', 'parts.final_after_days') }} = period_days.as_of
            and kpis.day = period_days.day
    where
        (period_days.is_last or parts.kind <> 'stock')
        and (parts.kind <> 'ratio' or kpis.dimension = any(parts.dimensions))
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9
    {% for metric in var('metric_values') %}
        union all
        select
            org_id,
            grain,
            period_start,
            period_end,
            previous_start,
            dimension,
            member,
            metric,
            kind,
            {% for role in ['value', 'previous', 'year_ago'] %}
                cast({{ role }} as numeric) as {{ role }},
            {% endfor %}
            null as value_denominator,
            null as previous_denominator,
            null as year_ago_denominator
        from ({{ periods_of_rows(metric) }}) as of_rows
    {% endfor %}
),

part_first_days as (
    select
        org_id,
        metric,
        min(day) as day
    from {{ ref('kpi_daily') }}
    where dimension = 'total'
    group by org_id, metric
),

-- Before its first day nothing is known of a metric; of a ratio, before that of its denominator.
first_days as (
    select
        part_first_days.org_id,
        parts.metric,
        part_first_days.day
    from parts
    inner join part_first_days on parts.part = part_first_days.metric
    where not (parts.kind = 'ratio' and parts.is_numerator)
),

figures as (
    select
        periods.*,
        {{ period_figure('value') }} as value_figure,
        {{ period_figure('previous') }} as previous_figure,
        {{ period_figure('year_ago') }} as year_ago_figure
    from periods
)

select
    figures.org_id,
    figures.grain,
    figures.period_start,
    figures.period_end,
    figures.period_end > {{ final_day('organizations.as_of', 'metrics.final_after_days') }} as is_partial,
    figures.metric,
    figures.dimension,
    figures.member,
    figures.value_figure as value,
    case
        when figures.previous_start >= coalesce(first_days.day, organizations.first_day) then figures.previous_figure
    end as previous,
    case
        when {{ add_days('figures.period_start', -364) }} >= coalesce(first_days.day, organizations.first_day)
            then figures.year_ago_figure
    end as year_ago,
    targets.target
from figures
inner join {{ ref('dim_organization') }} as organizations on figures.org_id = organizations.org_id
inner join {{ ref('dim_metric') }} as metrics on figures.metric = metrics.metric
left join first_days on figures.org_id = first_days.org_id and figures.metric = first_days.metric
left join {{ ref('metric_targets') }} as targets
    on
        figures.org_id = targets.org_id
        and figures.grain = targets.grain
        and figures.metric = targets.metric
        and figures.dimension = targets.dimension
        and figures.member = targets.member
        and figures.period_start >= targets.starts_on
        and (targets.until_day is null or figures.period_start < targets.until_day)
