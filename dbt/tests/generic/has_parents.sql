{# Every key that is not null exists in its dimension, in the column of the same name. Tables are landed one after the other:
   a row that was written after its parent's table was landed may lack its parent until the next run. #}
{% test has_parents(model, keys) %}
{%- set tables = {'client_id': 'profiles', 'provider_id': 'profiles', 'service_id': 'services'} %}
{%- for key, parent in keys.items() %}
{{ 'union all' if not loop.first }}
select
    '{{ key }}' as key_name,
    children.{{ key }} as value
from {{ model }} as children
left join {{ ref(parent) }} as parents on children.{{ key }} = parents.{{ key }}
where
    children.{{ key }} is not null
    and parents.{{ key }} is null
    and children.updated_at <= (select max(_loaded_at) from {{ ref('stg_app__' ~ tables[key]) }})
{%- endfor %}
{% endtest %}
