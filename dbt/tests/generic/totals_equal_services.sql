{# In a table by dimension and member: for each group of `by`, the services sum to the total if there are services. #}
{% test totals_equal_services(model, value, by) %}
select
    {{ by | join(', ') }},
    sum(case when dimension = 'total' then {{ value }} else 0 end) as total,
    sum(case when dimension = 'service' then {{ value }} else 0 end) as services
from {{ model }}
group by {{ by | join(', ') }}
having
    sum(case when dimension = 'service' then 1 else 0 end) > 0
    and sum(case when dimension = 'total' then {{ value }} else 0 end)
    <> sum(case when dimension = 'service' then {{ value }} else 0 end)
{% endtest %}
