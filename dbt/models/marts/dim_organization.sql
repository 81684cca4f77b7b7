{{ config(unique_key='org_id') }}

select
    organizations.org_id,
    organizations.organization_name,
    organizations.slug,
    organizations.timezone,
    organizations.country,
    organizations.currency,
    run_clock.as_of,
    run_clock.as_of_at,
    run_clock.first_day,
    run_clock.last_day,
    coalesce(run_clock.has_ended, false) as has_ended,
    edges.book_until,
    edges.bookings_complete_until,
    organizations.org_id in (select known.org_id from {{ ref('stg_app__payments') }} as known) as knows_payments,
    organizations.org_id in (select known.org_id from {{ ref('stg_app__invoices') }} as known) as knows_invoices,
    organizations.org_id in (select known.org_id from {{ ref('stg_app__time_entries') }} as known) as knows_hours,
    organizations.org_id in (
        select known.org_id
        from {{ ref('stg_app__profiles') }} as known
        where known.capacity_hours_per_day > 0
    ) as knows_capacity,
    organizations.created_at
from {{ ref('stg_app__organizations') }} as organizations
left join {{ ref('stg_app__run_clock') }} as run_clock on organizations.org_id = run_clock.org_id
left join {{ ref('int_book_edges') }} as edges on organizations.org_id = edges.org_id
