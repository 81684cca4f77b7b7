{# `part` as a share of `whole`, to `digits` digits; null where the whole is 0. #}
{% macro share(part, whole, digits=4) -%}
    round(cast({{ part }} as numeric) / nullif({{ whole }}, 0), {{ digits }})
{%- endmacro %}


{# A sum of amounts, with more digits than a single amount, which has up to 12 before the point. #}
{% macro as_money(amount) -%}
    cast({{ amount }} as numeric(18, 2))
{%- endmacro %}


{# The number of rows for which `condition` holds. #}
{% macro count_where(condition) -%}
    sum(case when {{ condition }} then 1 else 0 end)
{%- endmacro %}


{# Mean days from one moment to another, of the rows for which `condition` holds and both are known. #}
{% macro mean_days(first_moment, last_moment, condition='true') -%}
    round(
        cast(
            avg(case when {{ condition }} then {{ seconds_from_to(first_moment, last_moment) }} end) / 86400 as numeric
        ),
        2
    )
{%- endmacro %}


{# The sum of one metric over the grouped rows of kpi_daily, as `type`; 0 if there are none. #}
{% macro metric_total(metric, type) -%}
    cast(coalesce(sum(case when metric = '{{ metric }}' then value end), 0) as {{ type }})
{%- endmacro %}


{# The bucket of var('lead_buckets') for the days from one day to the service day; null where they are unknown. #}
{% macro lead_bucket(days) -%}
    case
        when {{ days }} <= 0 then 'same day'
        {%- for name, longest_lead in var('lead_buckets').items() %}
        when {{ days }} <= {{ longest_lead }} then '{{ name }}'
        {%- endfor %}
        when {{ days }} is not null then '{{ var('longest_lead_bucket') }}'
    end
{%- endmacro %}


{# The rest of a query whose CTE `changes` has org_id, service_id, day and `amount`, the change on that day: the level of
   each service at the end of each day up to as_of, in rows where it is not zero. #}
{% macro levels_of_days(changes, amount) -%}
change_days as (
    select
        org_id,
        service_id,
        day,
        sum({{ amount }}) as {{ amount }}
    from {{ changes }}
    group by org_id, service_id, day
),

levels as (
    select
        change_days.org_id,
        change_days.service_id,
        change_days.day as first_day,
        least(lead(change_days.day) over service_days, {{ add_days('run_clock.as_of', 1) }}) as next_day,
        sum(change_days.{{ amount }}) over service_days as {{ amount }}
    from change_days
    inner join {{ ref('stg_app__run_clock') }} as run_clock on change_days.org_id = run_clock.org_id
    window service_days as (partition by change_days.org_id, change_days.service_id order by change_days.day)
)

select
    levels.org_id,
    levels.service_id,
    {{ add_days('levels.first_day', 'numbers.number - 1') }} as day,
    {{ as_money('levels.' ~ amount) }} as {{ amount }}
from levels
cross join lateral {{ every_number(1, days_from_to('levels.first_day', 'levels.next_day')) }} as numbers
where levels.{{ amount }} <> 0
{%- endmacro %}
