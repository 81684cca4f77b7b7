{# In the transaction that makes the table, so that it is never readable without its policy, after a full refresh neither.
   Later builds restore what is missing. app.wall_off is made by a migration. #}
{% macro wall_off() -%}
    {%- if config.get('materialized') != 'view' %}
        {{- adapter.dispatch('wall_off')(this.identifier in var('common_tables')) -}}
    {%- endif %}
{%- endmacro %}

{% macro default__wall_off(is_common) %}{% endmacro %}

{% macro postgres__wall_off(is_common) -%}
    select app.wall_off('{{ this }}', {{ is_common }})
{%- endmacro %}
