{# A drop of a table drops the views on it as well. Two of them at once, whose views are partly the same, would wait for each
   other: a full refresh, which drops the former tables of several facts, ended with "deadlock detected". The replacement of
   a view waits too, since it holds the views that it reads. The lock ends with the transaction. #}
{% macro wait_for_drops() -%}
pg_advisory_xact_lock(hashtext('business services hub: drop of a relation'))
{%- endmacro %}

{% macro postgres__drop_table(relation) -%}
    select {{ wait_for_drops() }};
    drop table if exists {{ relation }} cascade
{%- endmacro %}

{% macro postgres__drop_view(relation) -%}
    select {{ wait_for_drops() }};
    drop view if exists {{ relation }} cascade
{%- endmacro %}
