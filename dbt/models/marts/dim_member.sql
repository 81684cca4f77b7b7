{{ config(materialized='view') }}

-- Groups and channels are those of the bookings made, which have every dimension.
with groups_and_channels as (
    select distinct
        org_id,
        dimension,
        member
    from {{ ref('kpi_daily') }}
    where metric = 'bookings_created' and dimension in ('client_group', 'channel')
),

fixed_members as (
    {% for name in ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'] %}
        select
            'service_weekday' as dimension,
            '{{ loop.index }}' as member,
            '{{ name }}' as member_name
        union all
    {% endfor %}
    {% for name in var('status_groups') %}
        select
            'status_group' as dimension,
            '{{ name }}' as member,
            '{{ name | capitalize }}' as member_name
        union all
    {% endfor %}
    {% for name in ['same day'] + (var('lead_buckets') | list) + [var('longest_lead_bucket')] %}
        {{ 'union all' if not loop.first }}
        select
            'lead_bucket' as dimension,
            '{{ name }}' as member,
            '{{ name }}' as member_name
    {% endfor %}
)

select
    org_id,
    'total' as dimension,
    'all' as member,
    'all' as member_name
from {{ ref('dim_organization') }}
union all
{% for dimension in ['service', 'provider'] %}
    select
        org_id,
        '{{ dimension }}' as dimension,
        cast({{ dimension }}_id as text) as member,
        {{ dimension }}_name as member_name
    from {{ ref('dim_' ~ dimension) }}
    union all
{% endfor %}
select
    org_id,
    dimension,
    member,
    member as member_name
from groups_and_channels
union all
select
    organizations.org_id,
    fixed_members.dimension,
    fixed_members.member,
    fixed_members.member_name
from {{ ref('dim_organization') }} as organizations
cross join fixed_members
