"""What a booking costs: the service or package, adjusted by price rules, plus add-ons; and the deposit."""

from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Final
from uuid import UUID

import asyncpg
from pydantic import Field

from sources.operations.errors import Refusal
from sources.operations.transaction import Tx
from sources.operations.values import Request

if TYPE_CHECKING:
    from sources.operations.bookings import NewBooking

CENT: Final = Decimal("0.01")

SELECT_ADD_ONS: Final = """
select id, price from app.service_add_ons where org_id = $1 and service_id = $2 and id = any($3) and is_active
"""
# The rules that hold for this service, package, start and lead, in the order in which they apply.
SELECT_RULES: Final = """
select r.adjust_pct
from app.price_rules as r,
    lateral (
        select ($4::timestamptz at time zone $5)::date as day, ($6::timestamptz at time zone $5)::date as today
    ) as d
where r.org_id = $1 and r.is_active
    and coalesce(r.service_id, $2) = $2 and (r.package_id is null or r.package_id = $3)
    and (r.weekdays is null or extract(isodow from d.day)::smallint = any(r.weekdays))
    and coalesce(d.day >= r.starts_on, r.starts_on is null) and coalesce(d.day <= r.ends_on, r.ends_on is null)
    and coalesce(d.day - d.today >= r.min_lead_days, r.min_lead_days is null)
    and coalesce(d.day - d.today <= r.max_lead_days, r.max_lead_days is null)
order by r.position, r.name
"""


class AddOn(Request):
    """An extra of the service, and how many of it."""

    add_on_id: UUID
    quantity: int = Field(1, ge=1, le=1000)


@dataclass(frozen=True)
class BookingPrice:
    """`add_ons`: (id, quantity, unit price, amount) each."""

    total: Decimal
    deposit: Decimal
    add_ons: list[tuple[UUID, int, Decimal, Decimal]]


async def price_booking(tx: Tx, request: "NewBooking", offer: asyncpg.Record, start: datetime | None) -> BookingPrice:
    """The price of a booking of this offer. Raises Refusal where an add-on is not of the service."""
    if request.custom_quote:
        return BookingPrice(Decimal(0), Decimal(0), [])
    price = Decimal(offer["package_price"] if request.package_id else offer["base_price"])
    rules = await tx.rows(
        SELECT_RULES, tx.org_id, request.service_id, request.package_id, start, offer["timezone"], tx.at
    )
    for rule in rules:
        price *= 1 + rule["adjust_pct"] / 100
    add_ons = await _add_ons(tx, request)
    total = to_cents(price) + sum((amount for *_, amount in add_ons), Decimal(0))
    return BookingPrice(total, to_cents(total * offer["deposit_pct"] / 100), add_ons)


async def _add_ons(tx: Tx, request: "NewBooking") -> list[tuple[UUID, int, Decimal, Decimal]]:
    if not request.add_ons:
        return []
    wanted = {it.add_on_id: it.quantity for it in request.add_ons}
    if len(wanted) < len(request.add_ons):
        raise Refusal("invalid", "add_on_twice", "An add-on is listed twice; raise its quantity.", field="add_ons")
    rows = await tx.rows(SELECT_ADD_ONS, tx.org_id, request.service_id, list(wanted))
    if len(rows) < len(wanted):
        raise Refusal("invalid", "unknown_add_on", "The service has no such add-on.", field="add_ons")
    return [(row["id"], wanted[row["id"]], row["price"], row["price"] * wanted[row["id"]]) for row in rows]


def to_cents(amount: Decimal) -> Decimal:
    """`amount` rounded to cents, half up, as invoices are."""
    return amount.quantize(CENT, ROUND_HALF_UP)
