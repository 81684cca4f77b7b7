{# A model's schema is the one that it names, without the target's name before it. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ custom_schema_name | trim if custom_schema_name else target.schema }}
{%- endmacro %}


{# Let `role` look into those of `names` that this run built; the tables and views are granted model by model. #}
{% macro grant_usage(names, role) %}
    {% for name in names if name in schemas %}
        grant usage on schema {{ name }} to {{ role }};
    {% endfor %}
{% endmacro %}
