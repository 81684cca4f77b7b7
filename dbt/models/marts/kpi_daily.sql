{{
    config(
        unique_key=['org_id', 'metric', 'dimension', 'member', 'day'],
        indexes=[{'columns': ['org_id', 'metric', 'dimension', 'member', 'day'], 'unique': true}],
    )
}}

with sums as (
    {% for kpi in var('kpis') %}
        {{ 'union all' if not loop.first }}
        {{ kpi_rows(kpi) }}
    {% endfor %}
),

known as (
    select
        sums.*,
        run_clock.as_of
    from sums
    inner join {{ ref('stg_app__run_clock') }} as run_clock on sums.org_id = run_clock.org_id
    where sums.day <= run_clock.as_of
),

series as (
    select
        org_id,
        metric,
        dimension,
        member,
        as_of,
        min(day) as first_day
    from known
    group by org_id, metric, dimension, member, as_of
),

-- Zeros beneath the sums, and not a join of the two: the planner cannot know how many rows the sums are.
filled as (
    select
        org_id,
        day,
        metric,
        dimension,
        member,
        value
    from known
    union all
    select
        series.org_id,
        dates.day,
        series.metric,
        series.dimension,
        series.member,
        0 as value
    from series
    inner join {{ ref('dim_date') }} as dates on dates.day between series.first_day and series.as_of
)

select
    org_id,
    day,
    metric,
    dimension,
    member,
    sum(value) as value
from filled
group by org_id, day, metric, dimension, member
