"""Routes of the targets of metrics."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from sources.api.problems import COMMON, WRITES
from sources.api.request_context import Reading, Writing, reply
from sources.operations.bookings.access import All
from sources.operations.settings import targets
from sources.operations.settings.targets import NewTarget, Target, TargetsQuery

router = APIRouter(prefix="/v1/targets", tags=["targets"], responses=COMMON)


@router.get("", response_model=All[Target], summary="List targets")
async def list_targets(context: Reading, query: Annotated[TargetsQuery, Query()]) -> Response:
    """By metric and day, the first 1,000. For admins."""
    return reply(await context.run(lambda tx: targets.list_targets(tx, query)))


@router.put("", response_model=Target, responses=WRITES, summary="Set a target")
async def put_target(context: Writing, body: NewTarget) -> Response:
    """For periods that begin on `starts_on` or later; it replaces one with the same `starts_on`. For admins."""
    return await context.write(lambda tx: targets.put_target(tx, body, context.if_match))


@router.delete("/{metric_target_id}", status_code=204, responses=WRITES, summary="Delete a target")
async def delete_target(context: Writing, metric_target_id: UUID) -> Response:
    """An earlier target holds in its place. For admins."""
    return await context.write(lambda tx: targets.delete_target(tx, metric_target_id), status=204)
