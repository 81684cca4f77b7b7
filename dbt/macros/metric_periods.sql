{# The columns value, previous and year_ago: `aggregation` of the rows of each role of int_period_days. #}
{% macro by_role(aggregation, condition='true', suffix='') -%}
    {%- for role in ['value', 'previous', 'year_ago'] %}
    {{ aggregation }} filter (where period_days.role = '{{ role }}' and {{ condition }}) as {{ role ~ suffix }}
    {{- ',' if not loop.last }}
    {%- endfor %}
{%- endmacro %}


{# The figures by period of one of var('metric_values'), from its single rows. A query for each dimension: the conditions of
   a reader do not reach the rows below grouping sets. #}
{% macro periods_of_rows(metric) -%}
    {%- for dimension in metric['dimensions'] %}
    {%- set member = "'all'" if dimension == 'total' else 'cast(facts.' ~ dimension_column(dimension) ~ ' as text)' %}
    {{ 'union all' if not loop.first }}
    select
        facts.org_id,
        period_days.grain,
        period_days.period_start,
        period_days.period_end,
        period_days.previous_start,
        '{{ dimension }}' as dimension,
        {{ member }} as member,
        {{ as_text(metric['name']) }} as metric,
        {{ as_text(metric['kind']) }} as kind,
        {{ by_role(metric['aggregation']) }}
    from (
        select
            *,
            {{ metric['expr'] }} as measured
        from {{ ref(metric['model']) }}
    ) as facts
    inner join {{ ref('stg_app__run_clock') }} as run_clock on facts.org_id = run_clock.org_id
    inner join {{ ref('int_period_days') }} as period_days
        on {{ final_day('run_clock.as_of', metric['final_after']) }} = period_days.as_of and facts.{{ metric['day'] }} = period_days.day
    where facts.measured is not null and {{ member }} is not null
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9
    {%- endfor %}
{%- endmacro %}


{# The last day on which the values of a metric are final: as_of, or so many days before it. #}
{% macro final_day(as_of, final_after_days) -%}
    {{ add_days(as_of, '-' ~ final_after_days) }}
{%- endmacro %}


{# The figure of a role of `periods`: zero for a sum of no rows, and a quotient for a ratio, whose numerator is such a sum. #}
{% macro period_figure(role) -%}
    case
        when periods.kind = 'ratio'
            then round(coalesce(periods.{{ role }}, 0) / nullif(periods.{{ role }}_denominator, 0), 6)
        when periods.kind = 'median' then periods.{{ role }}
        else coalesce(periods.{{ role }}, 0)
    end
{%- endmacro %}
