"""Rows that admins create and change: who may, the version that was read, and the statements.

The names of tables and columns are those of the models in this package, never of a request: models forbid other fields.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from sources.operations.bookings.access import demand_version
from sources.operations.errors import Refusal, not_found
from sources.operations.field_types import Request
from sources.operations.transaction import SEES_ALL, Tx


@dataclass(frozen=True)
class Resource:
    """A table of `app`, the noun for its rows, and the query of one row by $1 (organisation) and $2 (id)."""

    table: str
    noun: str
    select: str


def demand_admin(tx: Tx, subject: str) -> None:
    """Raise Refusal forbidden for others than admins; `subject` is what only they may change."""
    if tx.caller.role not in ("admin", "system"):
        raise Refusal("forbidden", "not_allowed", f"{subject} for admins only.")


def demand_owner(tx: Tx, subject: str) -> None:
    """Raise Refusal forbidden for others than admins and analysts; `subject` is what only they may read."""
    if tx.caller.role not in SEES_ALL:
        raise Refusal("forbidden", "not_allowed", f"{subject} for the admins and analysts of the organisation.")


async def find(tx: Tx, resource: Resource, row_id: UUID) -> asyncpg.Record:
    """Return the row. Raises Refusal not_found."""
    row = await tx.row(resource.select, tx.org_id, row_id)
    if row is None:
        raise not_found(resource.noun)
    return row


async def insert(tx: Tx, resource: Resource, values: Mapping[str, Any]) -> UUID:
    """Insert a row with these columns and return its id."""
    columns = ", ".join(["org_id", "created_at", "updated_at", *values])
    marks = ", ".join(f"${number}" for number in range(3, len(values) + 3))
    statement = f"insert into app.{resource.table} ({columns}) values ($1, $2, $2, {marks}) returning id"  # noqa: S608
    inserted = await tx.one(statement, tx.org_id, tx.at, *values.values())
    row_id: UUID = inserted["id"]
    return row_id


async def lock(tx: Tx, resource: Resource, row_id: UUID, expected: str | None) -> asyncpg.Record:
    """Return the row, locked until the transaction ends; `expected`: the version that the caller last read, if given.

    Raises Refusal: not_found, stale.
    """
    await tx.row(
        f"select from app.{resource.table} where org_id = $1 and id = $2 for update",
        tx.org_id, row_id,
    )  # fmt: skip
    row = await find(tx, resource, row_id)
    demand_version(row, expected, resource.noun)
    return row


async def update(tx: Tx, resource: Resource, row_id: UUID, values: Mapping[str, Any]) -> None:
    """Update these columns of a locked row."""
    assignments = "".join(f", {name} = ${number}" for number, name in enumerate(values, start=4))
    await tx.execute(
        f"update app.{resource.table} set updated_at = $3{assignments} where org_id = $1 and id = $2",  # noqa: S608
        tx.org_id, row_id, tx.at, *values.values(),
    )  # fmt: skip


def changes_of(change: Request) -> dict[str, Any]:
    """Return the fields that the request has, by name."""
    return change.model_dump(exclude_unset=True)
