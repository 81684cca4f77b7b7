{# The schema of a model is the one that it configures, without the target's name as a prefix. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ custom_schema_name | trim if custom_schema_name else target.schema }}
{%- endmacro %}


{# Grant `role` usage of those of the schemas `names` that this run built; tables and views are granted by each model. #}
{% macro grant_usage(names, role) %}
    {% for name in names if name in schemas %}
        grant usage on schema {{ name }} to {{ role }};
    {% endfor %}
{% endmacro %}
