{{ config(unique_key='org_id') }}

with days as (
    select
        bookings.org_id,
        min(bookings.created_day) as first_day,
        max(least(run_clock.as_of, greatest(bookings.created_day, case when bookings.service_day <= run_clock.as_of then bookings.service_day end))) as last_day,
        max(bookings.service_day) as last_service_day
    from {{ ref('fct_bookings') }} as bookings
    inner join {{ ref('stg_app__run_clock') }} as run_clock on bookings.org_id = run_clock.org_id
    where bookings.created_day <= run_clock.as_of
    group by bookings.org_id
)

select
    organizations.org_id,
    organizations.organization_name,
    organizations.slug,
    organizations.timezone,
    organizations.country,
    organizations.currency,
    run_clock.as_of,
    run_clock.as_of_at,
    days.first_day,
    days.last_day,
    case when days.last_service_day < {{ add_days('run_clock.as_of', 28) }} then days.last_service_day end as book_until,
    exists (select 1 from {{ ref('fct_payments') }} as payments where payments.org_id = organizations.org_id) as knows_payments,
    exists (select 1 from {{ ref('fct_invoices') }} as invoices where invoices.org_id = organizations.org_id) as knows_invoices,
    exists (select 1 from {{ ref('fct_time_entries') }} as hours where hours.org_id = organizations.org_id) as knows_hours,
    exists (
        select 1 from {{ ref('stg_app__profiles') }} as profiles
        where profiles.org_id = organizations.org_id and profiles.capacity_hours_per_day > 0
    ) as knows_capacity,
    organizations.created_at
from {{ ref('stg_app__organizations') }} as organizations
left join {{ ref('stg_app__run_clock') }} as run_clock on organizations.org_id = run_clock.org_id
left join days on organizations.org_id = days.org_id
