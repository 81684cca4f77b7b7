{{ config(unique_key='org_id') }}

select
    organizations.org_id,
    organizations.organization_name,
    organizations.slug,
    organizations.timezone,
    organizations.country,
    organizations.region,
    organizations.currency,
    organizations.sensitivity,
    organizations.locale,
    run_clock.as_of,
    run_clock.as_of_at,
    run_clock.first_day,
    run_clock.last_day,
    coalesce(run_clock.has_ended, false) as has_ended,
    export_edges.book_until,
    export_edges.bookings_complete_until,
    organizations.org_id in (select payments.org_id from {{ ref('stg_app__payments') }} as payments) as knows_payments,
    organizations.org_id in (select invoices.org_id from {{ ref('stg_app__invoices') }} as invoices) as knows_invoices,
    organizations.org_id in (select time_entries.org_id from {{ ref('stg_app__time_entries') }} as time_entries)
        as knows_hours,
    organizations.org_id in (
        select profiles.org_id
        from {{ ref('stg_app__profiles') }} as profiles
        where profiles.capacity_hours_per_day > 0
    ) as knows_capacity,
    organizations.created_at
from {{ ref('stg_app__organizations') }} as organizations
left join {{ ref('stg_app__run_clock') }} as run_clock on organizations.org_id = run_clock.org_id
left join {{ ref('int_export_edges') }} as export_edges on organizations.org_id = export_edges.org_id
