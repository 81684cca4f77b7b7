{# Functions of schema analytics for BI tools: with the caller's rights, for readers only, and without a search path that a
   caller could change. What `config.meta.demands` lists is refused with a sentence, where it does not hold. Each call is planned for
   its own arguments: a plan for any organisation and days would read whole marts where a call asks for few days. The body names
   no database, so that a copy of the database under another name keeps its functions. #}
{% macro postgres__scalar_function_sql(target_relation) -%}
    {%- set name = target_relation.include(database=false) -%}
    {%- set types = model.arguments | map(attribute='data_type') | join(', ') -%}
    do $drop$
    declare
        existing regprocedure;
    begin
        -- A function whose arguments or columns have changed cannot be replaced.
        for existing in
            select oid from pg_proc
            where proname = '{{ target_relation.identifier }}' and pronamespace = to_regnamespace('{{ target_relation.schema }}')
        loop
            execute format('drop function %s', existing);
        end loop;
    end $drop$;
    create function {{ name }} ({{ formatted_scalar_function_args_sql() }})
    returns {{ model.returns.data_type }}
    language plpgsql {{ scalar_function_volatility_sql() }} parallel safe
    set search_path = '' set plan_cache_mode = force_custom_plan
    as $function$
    #variable_conflict use_column
    begin
        {%- for demand in model.config.meta.demands %}
        if ({{ demand.holds }}) is not true then
            raise exception using errcode = 'invalid_parameter_value', message = '{{ demand.otherwise | replace("'", "''") }}';
        end if;
        {%- endfor %}
        return query
        {{ model.compiled_code | replace('"' ~ target.database ~ '".', '') }};
    end $function$;
    revoke execute on function {{ name }} ({{ types }}) from public;
    grant execute on function {{ name }} ({{ types }}) to hub_reader;
    comment on function {{ name }} ({{ types }}) is '{{ model.description | replace("'", "''") }}'
{%- endmacro %}


{# The first day of the period with the length p_grain (day, week, month or quarter) that contains `day`. #}
{% macro first_day_of_grain(day) -%}
    cast(date_trunc(p_grain, {{ day }}) as date)
{%- endmacro %}


{# The last day of the period with the length p_grain that begins with `first_day`. #}
{% macro last_day_of_grain(first_day) -%}
    cast(
        {{ first_day }} + case p_grain when 'quarter' then interval '3 months' else cast('1 ' || p_grain as interval) end as date
    ) - 1
{%- endmacro %}


{# True if the period is not over at `as_of`, or if p_from to p_to is only a part of it. #}
{% macro is_partial_period(first_day, last_day, as_of) -%}
    {{ first_day }} < p_from or {{ last_day }} > least(p_to, {{ as_of }})
{%- endmacro %}


{# A number for a severity: the larger, the more severe. #}
{% macro severity_rank(severity) -%}
    case {{ severity }}
        {%- for name in var('severities') | reverse %}
        when '{{ name }}' then {{ loop.index }}
        {%- endfor %}
    end
{%- endmacro %}
