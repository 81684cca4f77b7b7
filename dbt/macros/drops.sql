{# A drop of a table drops the views on it as well. Two of them at once, whose views are partly the same, would wait for each
   other: a full refresh, which drops the former tables of several facts, ended with "deadlock detected". The replacement of
   a view waits too, since it holds the views that it reads. The lock ends with the transaction. It is one of a table that readers have no
   right to, as any login may take an advisory lock, in the mode that excludes itself and leaves rows writable. #}
{% macro wait_for_drops() -%}
{{ wait_for_readers() }};
    lock table raw.model_states in share update exclusive mode
{%- endmacro %}

{# A transaction that has read a table holds it until it ends: a build fails after this time, and does not hang. #}
{% macro wait_for_readers() -%}
{{ adapter.dispatch('wait_for_readers')() }}
{%- endmacro %}

{% macro default__wait_for_readers() %}{% endmacro %}

{% macro postgres__wait_for_readers() -%}
set local lock_timeout = '5min'
{%- endmacro %}

{% macro postgres__drop_table(relation) -%}
    {{ wait_for_drops() }};
    drop table if exists {{ relation }} cascade
{%- endmacro %}

{% macro postgres__drop_view(relation) -%}
    {{ wait_for_drops() }};
    drop view if exists {{ relation }} cascade
{%- endmacro %}
