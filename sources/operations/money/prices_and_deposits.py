"""Prices of bookings: the list price of a service or package by the price rules, plus add-ons; and the deposit."""

from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Final
from uuid import UUID

import asyncpg
from pydantic import Field

from sources.operations.errors import Refusal
from sources.operations.field_types import Request
from sources.operations.transaction import Tx

CENT: Final = Decimal("0.01")
MOST_OF_AN_ADD_ON: Final = 100

SELECT_LISTED: Final = """
select services.base_price, packages.price as package_price, services.duration_hours, packages.hours_included,
    organizations.timezone
from app.services as services
join app.organizations as organizations on organizations.id = services.org_id
left join app.service_packages as packages
    on packages.org_id = services.org_id and packages.service_id = services.id and packages.id = $3
where services.org_id = $1 and services.id = $2
"""
SELECT_ADD_ONS: Final = """
select id, price from app.service_add_ons where org_id = $1 and service_id = $2 and id = any($3) and is_active
"""
# The rules for this service, package, start and lead time, in the order in which they apply.
SELECT_RULES: Final = """
select rules.adjust_pct
from app.price_rules as rules,
    lateral (
        select ($4::timestamptz at time zone $5)::date as day, ($6::timestamptz at time zone $5)::date as today
    ) as days
where rules.org_id = $1 and rules.is_active
    and coalesce(rules.service_id, $2) = $2 and (rules.package_id is null or rules.package_id = $3)
    and (rules.weekdays is null or extract(isodow from days.day)::smallint = any(rules.weekdays))
    and coalesce(days.day >= rules.starts_on, rules.starts_on is null)
    and coalesce(days.day <= rules.ends_on, rules.ends_on is null)
    and coalesce(days.day - days.today >= rules.min_lead_days, rules.min_lead_days is null)
    and coalesce(days.day - days.today <= rules.max_lead_days, rules.max_lead_days is null)
order by rules.position, rules.name
"""


class AddOn(Request):
    """An add-on of the service, and its quantity."""

    add_on_id: UUID
    quantity: int = Field(1, ge=1, le=MOST_OF_AN_ADD_ON)


@dataclass(frozen=True)
class BookingPrice:
    """The price of a booking. `listed`: of the service; `add_ons`: (id, quantity, unit price, amount) each."""

    total: Decimal
    listed: Decimal | None
    deposit: Decimal
    add_ons: list[tuple[UUID, int, Decimal, Decimal]]


async def price_booking(
    tx: Tx, offer: asyncpg.Record, service_id: UUID, package_id: UUID | None, add_ons: list[AddOn],
    start: datetime | None,
) -> BookingPrice:  # fmt: skip
    """Return the price of a booking of a service or package at its list price in `offer`.

    Raises Refusal where an add-on does not belong to the service.
    """
    listed = await list_price(tx, offer, service_id, package_id, start, tx.at)
    priced = await _price_add_ons(tx, service_id, add_ons)
    total = listed + sum((amount for *_, amount in priced), Decimal(0))
    return BookingPrice(total, listed, to_cents(total * offer["deposit_pct"] / 100), priced)


async def list_price(
    tx: Tx, offer: asyncpg.Record, service_id: UUID, package_id: UUID | None, start: datetime | None,
    booked_at: datetime,
) -> Decimal:  # fmt: skip
    """Return the price of a service or package that starts at `start` and was booked at `booked_at`, by the rules."""
    price = Decimal(offer["package_price"] if package_id else offer["base_price"])
    rules = await tx.rows(SELECT_RULES, tx.org_id, service_id, package_id, start, offer["timezone"], booked_at)
    for rule in rules:
        price *= 1 + rule["adjust_pct"] / 100
    return to_cents(price)


async def _price_add_ons(tx: Tx, service_id: UUID, add_ons: list[AddOn]) -> list[tuple[UUID, int, Decimal, Decimal]]:
    if not add_ons:
        return []
    quantities = {add_on.add_on_id: add_on.quantity for add_on in add_ons}
    if len(quantities) < len(add_ons):
        raise Refusal("invalid", "add_on_twice", "An add-on is listed twice; raise its quantity.", field="add_ons")
    rows = await tx.rows(SELECT_ADD_ONS, tx.org_id, service_id, list(quantities))
    if len(rows) < len(quantities):
        raise Refusal("invalid", "unknown_add_on", "The service has no such add-on.", field="add_ons")
    return [(row["id"], quantities[row["id"]], row["price"], row["price"] * quantities[row["id"]]) for row in rows]


def to_cents(amount: Decimal) -> Decimal:
    """Round `amount` to cents, half up, as on invoices."""
    return amount.quantize(CENT, ROUND_HALF_UP)
