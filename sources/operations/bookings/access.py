"""Rows that belong to a booking (milestones, tasks, ...): visibility, locks, and checks that operations share."""

from collections.abc import Collection
from decimal import Decimal
from typing import Annotated, Final, Generic, TypeVar
from uuid import UUID

import asyncpg
from pydantic import BaseModel, Field

from sources.lifecycle import words
from sources.operations.bookings.status_changes import lock_booking
from sources.operations.errors import Refusal, not_found
from sources.operations.transaction import Tx

Item = TypeVar("Item", bound=BaseModel)

Weight = Annotated[Decimal, Field(gt=0, max_digits=6, decimal_places=2, examples=["2.50"])]
Percent = Annotated[Decimal, Field(ge=0, le=100, max_digits=5, decimal_places=2, examples=["40"])]
Hours = Annotated[Decimal, Field(ge=0, max_digits=8, decimal_places=2, examples=["6.5"])]

IS_SEEN: Final = "select exists (select from app.bookings where org_id = $1 and id = $2) as is_seen"


class All(BaseModel, Generic[Item]):
    """A complete list, in order."""

    items: list[Item]


class Page(BaseModel, Generic[Item]):
    """One page of a list."""

    items: list[Item]
    next: UUID | None = Field(description="The `after` of the next page; null on the last page.")


def page_of(items: list[Item], ids: list[UUID], limit: int) -> Page[Item]:
    """Return a page of at most `limit` of `items`, of which the query reads one more than `limit`."""
    return Page.model_construct(items=items[:limit], next=ids[limit - 1] if len(ids) > limit else None)


async def demand_booking(tx: Tx, booking_id: UUID) -> None:
    """Raise Refusal not_found where the caller does not see the booking."""
    if not (await tx.one(IS_SEEN, tx.org_id, booking_id))["is_seen"]:
        raise not_found("booking")


async def lock_child(tx: Tx, select: str, child_id: UUID, noun: str) -> tuple[asyncpg.Record, asyncpg.Record]:
    """Lock the booking of a row; return both. The row is read again after the lock, since it may have changed before.

    `select`: the query of the row by $1 (the organisation) and $2 (its id), with its booking_id. `noun`: what people
    call the row. Raises Refusal not_found.
    """
    found = await tx.row(select, tx.org_id, child_id)
    if found is None:
        raise not_found(noun)
    booking = await lock_booking(tx, found["booking_id"])
    row = await tx.row(select, tx.org_id, child_id)
    if row is None:
        raise not_found(noun)
    return booking, row


def demand_staff(tx: Tx, operation: str) -> None:
    """Raise Refusal forbidden for a client."""
    if tx.caller.role == "client":
        raise Refusal("forbidden", "not_allowed", f"A client may not {operation}.")


def demand_status(status: str, allowed: Collection[str], noun: str, operation: str) -> None:
    """Raise Refusal conflict where the `status` of a `noun` is not among those that allow the `operation`."""
    if status not in allowed:
        article = "An" if noun[0] in "aeiou" else "A"
        raise Refusal(
            "conflict", "wrong_status", f"{article} {noun} that is {words(status)} does not let you {operation}."
        )


def demand_version(row: asyncpg.Record, expected: str | None, noun: str) -> None:
    """Raise Refusal stale where `expected` (a version, if the caller gave one) is not the row's current version."""
    if expected is not None and expected != row["version"]:
        raise Refusal("stale", "changed_meanwhile", f"The {noun} has changed since you read it. Read it again first.")
