{# By organisation, the as_of of the newest forecasts in a table of schema ml that were made by the organisation's as_of. #}
{% macro newest_forecasts(table) -%}
    select
        forecasts.org_id,
        organizations.as_of as organization_as_of,
        max(forecasts.as_of) as as_of
    from {{ source('ml', table) }} as forecasts
    inner join {{ ref('dim_organization') }} as organizations
        on forecasts.org_id = organizations.org_id and forecasts.as_of <= organizations.as_of
    group by forecasts.org_id, organizations.as_of
{%- endmacro %}
