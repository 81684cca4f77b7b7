"""Bookings: create and read one."""

from datetime import timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

import asyncpg
from pydantic import BaseModel, Field

from sources import lifecycle
from sources.operations.bookings.access import demand_staff
from sources.operations.bookings.schedule_limits import check_schedule, offered_length
from sources.operations.bookings.status_changes import record_status
from sources.operations.errors import Refusal, not_found
from sources.operations.field_types import Line, Moment, Money, Named, Note, Request
from sources.operations.money.prices_and_deposits import AddOn, BookingPrice, price_booking
from sources.operations.transaction import Tx
from sources.row_values import Priority


class NewBooking(Request):
    """A request for a booking. Its price is that of the service or package by the price rules, or quoted later."""

    service_id: UUID
    package_id: UUID | None = None
    add_ons: list[AddOn] = Field(default=[], max_length=50)
    client_id: UUID | None = Field(None, description="Required from providers and admins; clients book for themselves.")
    provider_id: UUID | None = None
    title: Line | None = None
    notes: Note | None = None
    priority: Priority = "normal"
    scheduled_start: Moment | None = None
    scheduled_end: Moment | None = Field(None, description="By default the start plus the duration of the service.")
    custom_quote: bool = Field(False, description="The price is 0 until it is quoted.")
    draft: bool = Field(False, description="Create a draft instead of a request.")
    shares_provider_time: bool = Field(
        False, description="May overlap other bookings of the provider. For providers and admins only."
    )


class Booking(BaseModel):
    """A booking as the caller sees it."""

    id: UUID
    booking_number: str
    status: str
    priority: Priority
    title: str
    notes: str | None
    client: Named
    provider: Named | None
    service: Named
    package_id: UUID | None
    total_amount: Money
    offered_amount: Money | None = Field(
        description="A price that the client has not accepted yet; null: no price waits for consent."
    )
    deposit_amount: Money
    cancellation_fee: Money | None
    currency: str
    scheduled_start: Moment | None
    scheduled_end: Moment | None
    progress_pct: Decimal
    cancel_reason: str | None
    cancelled_at: Moment | None
    completed_at: Moment | None
    created_at: Moment
    updated_at: Moment
    actions: list[str] = Field(description="The actions that the caller may try next.")
    version: str = Field(description="The ETag; it differs after every change.")


COLUMNS: Final = """
    bookings.id, bookings.booking_number, bookings.status, bookings.priority, bookings.title, bookings.notes,
    bookings.client_id, clients.full_name as client_name, bookings.provider_id, providers.full_name as provider_name,
    bookings.service_id, services.name as service_name, bookings.package_id, bookings.total_amount,
    bookings.offered_amount, bookings.deposit_amount, bookings.cancellation_fee, bookings.currency,
    bookings.scheduled_start, bookings.scheduled_end, bookings.progress_pct, bookings.cancel_reason,
    bookings.cancelled_at, bookings.completed_at, bookings.created_at, bookings.updated_at,
    bookings.row_version::text as version"""
JOINS: Final = """
    join app.services as services on services.org_id = bookings.org_id and services.id = bookings.service_id
    left join app.profiles as clients on clients.org_id = bookings.org_id and clients.id = bookings.client_id
    left join app.profiles as providers on providers.org_id = bookings.org_id and providers.id = bookings.provider_id"""
SELECT_BOOKING: Final = f"""
select {COLUMNS} from app.bookings as bookings {JOINS} where bookings.org_id = $1 and bookings.id = $2
"""  # noqa: S608  constants of this file

MOST_PENDING: Final = 100  # bookings of a client: each of them counts as booked revenue until it is answered

# Of two requests of a client at the same time, the second counts the booking of the first.
LOCK_PENDING: Final = "select pg_advisory_xact_lock(hashtextextended('pending bookings of ' || $1, 0))"
SELECT_OFFER: Final = """
select services.name as service_name, services.base_price, services.currency, services.duration_hours,
    services.is_active, packages.price as package_price, packages.hours_included, organizations.timezone,
    coalesce((organizations.settings ->> 'deposit_pct')::numeric, 0) as deposit_pct,
    (select full_name from app.profiles where org_id = $1 and id = $4 and role = 'client') as client_name,
    exists (
        select from app.profiles where org_id = $1 and id = $5 and role = 'provider' and is_active
    ) as has_provider,
    (
        select count(*) from app.bookings where org_id = $1 and client_id = $4 and status = any($6::text[])
    ) as pending_bookings
from app.services as services
join app.organizations as organizations on organizations.id = services.org_id
left join app.service_packages as packages
    on packages.org_id = services.org_id and packages.service_id = services.id and packages.id = $3
        and packages.is_active
where services.org_id = $1 and services.id = $2
"""
INSERT_BOOKING: Final = """
insert into app.bookings (
    org_id, booking_number, client_id, provider_id, service_id, package_id, status, priority, title, notes,
    total_amount, deposit_amount, currency, scheduled_start, scheduled_end, is_exclusive, offered_amount, list_amount,
    priced_start, created_at, updated_at
)
values (
    $1, app.next_booking_number($2), $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $14,
    $2, $2
)
returning id
"""
INSERT_ADD_ONS: Final = """
insert into app.booking_add_ons (org_id, booking_id, add_on_id, quantity, unit_price, amount)
select $1, $2, * from unnest($3::uuid[], $4::int[], $5::numeric[], $6::numeric[])
"""


async def get_booking(tx: Tx, booking_id: UUID) -> Booking:
    """Return the booking, if the caller may see it. Raises Refusal not_found."""
    row = await tx.row(SELECT_BOOKING, tx.org_id, booking_id)
    if row is None:
        raise not_found("booking")
    return as_booking(row, tx)


def as_booking(row: asyncpg.Record, tx: Tx) -> Booking:
    """Convert a row of COLUMNS into a booking with the actions of the caller."""
    values = dict(row)
    client_id, client_name = values.pop("client_id"), values.pop("client_name")
    provider_id, provider_name = values.pop("provider_id"), values.pop("provider_name")
    service_id, service_name = values.pop("service_id"), values.pop("service_name")
    return Booking.model_construct(
        client=Named.model_construct(id=client_id, name=client_name or ""),
        provider=Named.model_construct(id=provider_id, name=provider_name or "") if provider_id else None,
        service=Named.model_construct(id=service_id, name=service_name),
        actions=list(lifecycle.actions_from(values["status"], tx.caller.role)),
        **values,
    )


async def create_booking(tx: Tx, request: NewBooking) -> Booking:
    """Create a booking, as a request or a draft, at the price of the service or package.

    Raises Refusal: forbidden, invalid where a reference or the schedule is not valid, conflict slot_taken where an
    exclusive booking holds the provider's time, or too_many_pending where the client has MOST_PENDING already.
    """
    client_id = _client_of(tx, request)
    provider_id = request.provider_id or (tx.caller.profile_id if tx.caller.role == "provider" else None)
    if tx.caller.role == "provider" and provider_id != tx.caller.profile_id:
        raise Refusal("forbidden", "not_allowed", "A provider may book for themselves only.", field="provider_id")
    if tx.caller.role == "client":
        await tx.execute(LOCK_PENDING, str(client_id))
    offer = await tx.row(
        SELECT_OFFER, tx.org_id, request.service_id, request.package_id, client_id, provider_id, lifecycle.PENDING
    )
    if offer is None or not offer["is_active"]:
        raise Refusal("invalid", "unknown_service", "There is no such service on offer.", field="service_id")
    if request.package_id and offer["package_price"] is None:
        raise Refusal("invalid", "unknown_package", "The service has no such package.", field="package_id")
    if offer["client_name"] is None:
        raise Refusal("invalid", "unknown_client", "There is no such client.", field="client_id")
    if tx.caller.role == "client" and offer["pending_bookings"] >= MOST_PENDING:
        raise Refusal(
            "conflict", "too_many_pending", f"A client may have {MOST_PENDING} pending bookings: wait for the answers."
        )
    if provider_id and not offer["has_provider"]:
        raise Refusal("invalid", "unknown_provider", "There is no such active provider.", field="provider_id")
    start, end = request.scheduled_start, request.scheduled_end
    if start and not end:
        end = start + (offered_length(offer) or timedelta(hours=1))
    if request.shares_provider_time:
        demand_staff(tx, "share a provider's time")
    if end:
        check_schedule(tx, start, end, offered_length(offer))
    price = BookingPrice(Decimal(0), None, Decimal(0), [])
    if not request.custom_quote:
        price = await price_booking(tx, offer, request.service_id, request.package_id, request.add_ons, start)
    status = "draft" if request.draft else "requested"
    # A request at the list price accepts it, made by the client or by an admin for them.
    has_accepted = not (request.custom_quote or request.draft or tx.caller.role == "provider")
    inserted = await tx.one(
        INSERT_BOOKING, tx.org_id, tx.at, client_id, provider_id, request.service_id, request.package_id, status,
        request.priority, request.title or f"{offer['service_name']} for {offer['client_name']}", request.notes,
        price.total, price.deposit, offer["currency"], start, end, not request.shares_provider_time,
        None if has_accepted else price.total, price.listed,
    )  # fmt: skip
    booking_id: UUID = inserted["id"]
    await record_status(tx, booking_id, None, status, None)
    if price.add_ons:
        columns = list(zip(*price.add_ons, strict=True))
        await tx.execute(INSERT_ADD_ONS, tx.org_id, booking_id, *columns)
    return await get_booking(tx, booking_id)


def _client_of(tx: Tx, request: NewBooking) -> UUID:
    if tx.caller.role == "client":
        if request.client_id not in (None, tx.caller.profile_id):
            raise Refusal("forbidden", "not_allowed", "A client may book for themselves only.", field="client_id")
        assert tx.caller.profile_id is not None
        return tx.caller.profile_id
    if request.client_id is None:
        raise Refusal("invalid", "client_required", "Give the client of the booking.", field="client_id")
    return request.client_id
