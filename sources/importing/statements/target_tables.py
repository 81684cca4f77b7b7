"""Targets: the table for each kind of record with the query for its rows, in the order of their references.

Parameters: org, now, currency and capacity (of the organisation).
"""

from typing import Final

from sources.importing.upsert import Target

TARGETS: Final = (
    Target(
        "service",
        "services",
        """
select merged.external_ref, merged.position, merged.name, merged.category, merged.base_price, %(currency)s as currency,
    merged.duration_hours, merged.created_at
from merged_service as merged
""",
        ("name", "category", "base_price", "currency", "duration_hours"),
        defaults={"base_price": "0"},
        only_new=("created_at",),
    ),
    Target(
        "client",
        "profiles",
        """
select external_ref, position, kind as role, full_name, email, client_group, created_at
from merged_person
where kind = 'client'
""",
        ("role", "full_name", "email", "client_group"),
        only_new=("created_at",),
    ),
    Target(
        "provider",
        "profiles",
        """
select external_ref, position, kind as role, full_name, email,
    coalesce(capacity_hours_per_day, %(capacity)s) as capacity_hours_per_day, created_at
from merged_person
where kind = 'provider'
""",
        ("role", "full_name", "email", "capacity_hours_per_day"),
        only_new=("created_at",),
    ),
    # A booking with several lines has the service of the largest one, and their sum as its total.
    Target(
        "booking",
        "bookings",
        """
select staged.external_ref, staged.position, staged.booking_number, client.id as client_id, provider.id as provider_id,
    service.id as service_id, staged.status, coalesce(staged.title, service.name) as title, staged.channel,
    coalesce(staged.total_amount, sum_of_lines.amount) as total_amount, staged.currency, staged.scheduled_start,
    staged.scheduled_end,
    coalesce(staged.progress_pct, case staged.status when 'completed' then 100 end) as progress_pct,
    staged.cancel_reason, staged.cancelled_at, staged.completed_at,
    case when staged.created_at_known then staged.created_at end as created_at, staged.created_at_known,
    staged.created_at as earliest_known, staged.history, false as is_exclusive
from staged_booking as staged
left join (
    select distinct on (booking) booking, service_ref from staged_line
    where service_ref is not null
    order by booking, amount desc, position
) as main_service on main_service.booking = staged.external_ref
left join (
    select distinct on (booking) booking, provider_ref from staged_line
    where provider_ref is not null
    order by booking, amount desc, position
) as main_provider on main_provider.booking = staged.external_ref
left join (select booking, sum(amount) as amount from staged_line group by booking) as sum_of_lines
    on sum_of_lines.booking = staged.external_ref
inner join app.profiles as client on client.org_id = %(org)s and client.external_ref = staged.client_ref
left join app.services as service on service.org_id = %(org)s
    and service.external_ref = coalesce(staged.service_ref, main_service.service_ref)
left join app.profiles as provider on provider.org_id = %(org)s
    and provider.external_ref = coalesce(staged.provider_ref, main_provider.provider_ref)
""",
        (
            "booking_number",
            "client_id",
            "provider_id",
            "service_id",
            "status",
            "title",
            "channel",
            "total_amount",
            "currency",
            "scheduled_start",
            "scheduled_end",
            "progress_pct",
            "cancel_reason",
            "cancelled_at",
            "completed_at",
            "created_at",
            "created_at_known",
        ),
        defaults={"progress_pct": "0", "created_at": "source.earliest_known"},
        only_new=("is_exclusive",),
        extra=("history",),
        order="created_at, position",
    ),
    Target(
        "line",
        "booking_lines",
        """
select staged.external_ref, staged.position, booking.id as booking_id, service.id as service_id,
    provider.id as provider_id, coalesce(staged.description, service.name) as description, staged.quantity,
    staged.unit_price, staged.amount
from staged_line as staged
inner join app.bookings as booking on booking.org_id = %(org)s and booking.external_ref = staged.booking
left join app.services as service on service.org_id = %(org)s and service.external_ref = staged.service_ref
left join app.profiles as provider on provider.org_id = %(org)s and provider.external_ref = staged.provider_ref
""",
        ("booking_id", "service_id", "provider_id", "description", "quantity", "unit_price", "amount"),
    ),
    Target(
        "invoice",
        "invoices",
        """
select staged.external_ref, staged.position, booking.id as booking_id, booking.client_id,
    staged.number as invoice_number, staged.status, staged.amount as total_amount, staged.currency, staged.issued_at,
    staged.due_at, coalesce(staged.issued_at, booking.created_at) as created_at
from staged_invoice as staged
inner join app.bookings as booking on booking.org_id = %(org)s and booking.external_ref = staged.booking
""",
        ("booking_id", "client_id", "invoice_number", "status", "total_amount", "currency", "issued_at", "due_at"),
        only_new=("created_at",),
    ),
    Target(
        "payment",
        "payments",
        """
select staged.external_ref, staged.position, coalesce(booking.id, invoice.booking_id) as booking_id,
    invoice.id as invoice_id, staged.kind, staged.status, staged.amount, staged.currency, staged.method, staged.paid_at,
    coalesce(staged.paid_at, booking.created_at, %(now)s) as created_at
from staged_payment as staged
left join app.bookings as booking on booking.org_id = %(org)s and booking.external_ref = staged.booking
left join app.invoices as invoice on invoice.org_id = %(org)s and invoice.invoice_number = staged.invoice
""",
        ("booking_id", "invoice_id", "kind", "status", "amount", "currency", "method", "paid_at"),
        only_new=("created_at",),
    ),
    Target(
        "review",
        "reviews",
        """
select staged.external_ref, staged.position, booking.id as booking_id, booking.client_id, booking.provider_id,
    staged.rating, staged.comment, staged.reviewed_at, staged.reviewed_at as created_at
from staged_review as staged
inner join app.bookings as booking on booking.org_id = %(org)s and booking.external_ref = staged.booking
""",
        ("booking_id", "client_id", "provider_id", "rating", "comment", "reviewed_at"),
        only_new=("created_at",),
    ),
    Target(
        "hours",
        "time_entries",
        """
select staged.external_ref, staged.position, booking.id as booking_id,
    coalesce(provider.id, booking.provider_id) as provider_id, staged.started_at, staged.ended_at, staged.note,
    false as is_exclusive, staged.started_at as created_at
from staged_hours as staged
inner join app.bookings as booking on booking.org_id = %(org)s and booking.external_ref = staged.booking
left join app.profiles as provider on provider.org_id = %(org)s and provider.external_ref = staged.provider_ref
""",
        ("booking_id", "provider_id", "started_at", "ended_at", "note"),
        only_new=("is_exclusive", "created_at"),
    ),
)
