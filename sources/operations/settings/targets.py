"""Targets of metrics: of a period, from a day on, until a later target begins."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Final
from uuid import UUID

import asyncpg
from pydantic import BaseModel, ConfigDict, Field

from sources.operations.bookings.access import All, demand_version
from sources.operations.calendar import Day
from sources.operations.errors import Refusal, not_found
from sources.operations.field_types import Line, Moment, Request
from sources.operations.settings.rows import demand_admin, demand_owner
from sources.operations.settings.services import Version
from sources.operations.transaction import Tx
from sources.row_values import Grain

MOST_TARGETS: Final = 1000  # in a list

Amount = Annotated[Decimal, Field(max_digits=18, decimal_places=4, examples=["12000"])]


class NewTarget(Request):
    """A target of one metric, for the periods that begin on `starts_on` or later."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"metric": "booked_revenue", "grain": "month", "starts_on": "2031-01-01", "target": "12000"},
                {"metric": "booked_revenue", "grain": "month", "starts_on": "2032-01-01", "target": None},
            ]
        }
    )
    metric: Line = Field(description="The name of a metric, as in `marts.dim_metric`.", examples=["booked_revenue"])
    dimension: Line = Field("total", examples=["service"])
    member: Line = Field("all", description="Of a dimension its member, such as the id of a service.")
    grain: Grain
    starts_on: Day
    target: Amount | None = Field(description="Of one period, in the unit of the metric. Null: none from this day on.")


class TargetsQuery(Request):
    """The metric of a list."""

    metric: Line | None = None


class Target(BaseModel):
    """A target of a metric."""

    id: UUID
    metric: str
    dimension: str
    member: str
    grain: Grain
    starts_on: date
    target: Decimal | None
    created_at: Moment
    updated_at: Moment
    version: Version


COLUMNS: Final = (
    "id, metric, dimension, member, grain, starts_on, target, created_at, updated_at, row_version::text as version"
)
SELECT_TARGETS: Final = f"""
select {COLUMNS} from app.metric_targets where org_id = $1 and ($2::text is null or metric = $2)
order by metric, dimension, member, grain, starts_on
limit $3
"""  # noqa: S608  constants of this file
LOCK_TARGET: Final = f"""
select {COLUMNS} from app.metric_targets
where org_id = $1 and metric = $2 and dimension = $3 and member = $4 and grain = $5 and starts_on = $6
for update
"""  # noqa: S608
# Inserted by another request in the meantime, the target is updated as well.
PUT_TARGET: Final = f"""
insert into app.metric_targets (
    org_id, metric, dimension, member, grain, starts_on, target, created_at, updated_at
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $8)
on conflict (org_id, metric, dimension, member, grain, starts_on)
do update set target = excluded.target, updated_at = excluded.updated_at
returning {COLUMNS}
"""  # noqa: S608
DELETE_TARGET: Final = "delete from app.metric_targets where org_id = $1 and id = $2 returning id"
# No row: the warehouse is not built yet, and any metric may be a later one.
SELECT_METRICS: Final = "select metric, dimensions from app.known_metrics() order by metric"


async def list_targets(tx: Tx, query: TargetsQuery) -> All[Target]:
    """Return the targets, at most MOST_TARGETS. Raises Refusal forbidden."""
    demand_owner(tx, "Targets are")
    found = await tx.rows(SELECT_TARGETS, tx.org_id, query.metric, MOST_TARGETS)
    return All.model_construct(items=[_as_target(row) for row in found])


async def put_target(tx: Tx, request: NewTarget, expected: str | None) -> Target:
    """Set the target of a metric from a day on: create it, or replace its amount.

    `expected`: the version of the replaced one that the caller last read, if given. Raises Refusal: forbidden, stale,
    invalid (unknown_metric, unknown_dimension, member_missing).
    """
    _demand_admin(tx)
    key = (request.metric, request.dimension, request.member, request.grain, request.starts_on)
    if present := await tx.row(LOCK_TARGET, tx.org_id, *key):
        demand_version(present, expected, "target")
    await _demand_valid(tx, request)
    return _as_target(await tx.one(PUT_TARGET, tx.org_id, *key, request.target, tx.at))


async def delete_target(tx: Tx, target_id: UUID) -> None:
    """Delete a target: an earlier one holds in its place. Raises Refusal: forbidden, not_found."""
    _demand_admin(tx)
    if await tx.row(DELETE_TARGET, tx.org_id, target_id) is None:
        raise not_found("target")


async def _demand_valid(tx: Tx, request: NewTarget) -> None:
    metrics = {row["metric"]: row["dimensions"] for row in await tx.rows(SELECT_METRICS)}
    if metrics and request.metric not in metrics:
        raise Refusal("invalid", "unknown_metric", f"The metrics are: {', '.join(metrics)}.", field="metric")
    if metrics and request.dimension not in metrics[request.metric]:
        known = ", ".join(metrics[request.metric])
        raise Refusal("invalid", "unknown_dimension", f"The dimensions of the metric are: {known}.", field="dimension")
    if (request.dimension == "total") != (request.member == "all"):
        raise Refusal(
            "invalid", "member_missing", "The total has the member `all`; a dimension has a member of its own.",
            field="member",
        )  # fmt: skip


def _demand_admin(tx: Tx) -> None:
    demand_admin(tx, "Targets are")


def _as_target(row: asyncpg.Record) -> Target:
    return Target.model_construct(**dict(row))
