"""Routes of the absences of providers."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from sources.api.problems import CHANGES, COMMON, WRITES
from sources.api.request_context import Reading, Writing, reply
from sources.operations.bookings.access import All
from sources.operations.settings import absences
from sources.operations.settings.absences import Absence, AbsenceChange, AbsencesQuery, NewAbsence

router = APIRouter(prefix="/v1/absences", tags=["calendar"], responses=COMMON)


@router.get("", response_model=All[Absence], summary="List absences")
async def list_absences(context: Reading, query: Annotated[AbsencesQuery, Query()]) -> Response:
    """In the order of their days, the first 1,000: a provider's own; admins see those of all providers."""
    return reply(await context.run(lambda tx: absences.list_absences(tx, query)))


@router.post("", status_code=201, response_model=Absence, responses=WRITES, summary="Add an absence")
async def create_absence(context: Writing, body: NewAbsence) -> Response:
    """For admins. `bookings_within` names the bookings that need another time or provider; none is moved."""
    return await context.write(
        lambda tx: absences.create_absence(tx, body),
        status=201,
        location=lambda created: f"/v1/absences/{created.id}",
    )


@router.get("/{absence_id}", response_model=Absence, summary="Read an absence")
async def get_absence(context: Reading, absence_id: UUID) -> Response:
    return reply(await context.run(lambda tx: absences.get_absence(tx, absence_id)))


@router.patch("/{absence_id}", response_model=Absence, responses=CHANGES, summary="Change an absence")
async def edit_absence(context: Writing, absence_id: UUID, body: AbsenceChange) -> Response:
    """For admins."""
    return await context.write(lambda tx: absences.edit_absence(tx, absence_id, body, context.if_match))


@router.delete("/{absence_id}", status_code=204, responses=WRITES, summary="Delete an absence")
async def delete_absence(context: Writing, absence_id: UUID) -> Response:
    """For admins."""
    return await context.write(lambda tx: absences.delete_absence(tx, absence_id), status=204)
