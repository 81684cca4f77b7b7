{# The statuses of one group of var('status_groups') as a list in SQL. #}
{% macro statuses(group) -%}
    ('{{ var("status_groups")[group] | join("', '") }}')
{%- endmacro %}


{# The ways in which a booking ends without its service that are counted apart: the column of the count, and the status. #}
{% macro outcomes() -%}
    {{ return(var('status_counts').items() | list) }}
{%- endmacro %}


{# The statuses, or groups of them, in var(`name`) as a list in SQL. #}
{% macro statuses_from(name) -%}
    ('{{ var(name) | join("', '") }}')
{%- endmacro %}


{# The group of a status: pending, ongoing, completed or cancelled. #}
{% macro status_group(status) -%}
    case
        {%- for group in var('status_groups') %}
        when {{ status }} in {{ statuses(group) }} then '{{ group }}'
        {%- endfor %}
    end
{%- endmacro %}


{# True if a row of `work` (milestones or tasks) was done before `moment`; a row without a completion time always was. #}
{% macro was_done(work, moment) -%}
    ({{ work }}.is_done and ({{ work }}.completed_at is null or {{ work }}.completed_at < {{ moment }}))
{%- endmacro %}


{# True if the group of a status is firm: neither pending nor cancelled. #}
{% macro is_firm(group) -%}
    ({{ group }} in {{ statuses_from('firm_groups') }})
{%- endmacro %}
