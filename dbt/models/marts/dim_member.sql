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

weekdays as (
    {% for name in ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'] %}
        {{ 'union all' if not loop.first }}
        select
            '{{ loop.index }}' as member,
            '{{ name }}' as member_name
    {% endfor %}
),

lead_buckets as (
    {% for name in ['same day'] + (var('lead_buckets') | list) + [var('longest_lead_bucket')] %}
        {{ 'union all' if not loop.first }}
        select '{{ name }}' as member
    {% endfor %}
)

select
    org_id,
    'total' as dimension,
    'all' as member,
    'all' as member_name
from {{ ref('dim_organization') }}
union all
select
    org_id,
    'service' as dimension,
    cast(service_id as text) as member,
    service_name as member_name
from {{ ref('dim_service') }}
union all
select
    org_id,
    'provider' as dimension,
    cast(provider_id as text) as member,
    provider_name as member_name
from {{ ref('dim_provider') }}
union all
select
    org_id,
    dimension,
    member,
    member as member_name
from groups_and_channels
union all
select
    organizations.org_id,
    'service_weekday' as dimension,
    weekdays.member,
    weekdays.member_name
from {{ ref('dim_organization') }} as organizations
cross join weekdays
union all
select
    organizations.org_id,
    'lead_bucket' as dimension,
    lead_buckets.member,
    lead_buckets.member as member_name
from {{ ref('dim_organization') }} as organizations
cross join lead_buckets
