"""Routes of milestones."""

from uuid import UUID

from fastapi import APIRouter, Response

from sources.api.problems import CHANGES, COMMON, WRITES
from sources.api.request_context import Reading, Writing, reply
from sources.operations.bookings.access import All
from sources.operations.work import milestones
from sources.operations.work.milestones import Milestone, MilestoneChange, MilestoneStep, NewMilestone

router = APIRouter(prefix="/v1", tags=["milestones"], responses=COMMON)


@router.get("/bookings/{booking_id}/milestones", response_model=All[Milestone], summary="List a booking's milestones")
async def list_milestones(context: Reading, booking_id: UUID) -> Response:
    return reply(await context.run(lambda tx: milestones.list_milestones(tx, booking_id)))


@router.post(
    "/bookings/{booking_id}/milestones",
    status_code=201,
    response_model=Milestone,
    responses=WRITES,
    summary="Create a milestone",
)
async def create_milestone(context: Writing, booking_id: UUID, body: NewMilestone) -> Response:
    """For providers and admins, until the booking is delivered. Without `position` it is added at the end."""
    return await context.write(
        lambda tx: milestones.create_milestone(tx, booking_id, body),
        status=201,
        location=lambda created: f"/v1/milestones/{created.id}",
    )


@router.get("/milestones/{milestone_id}", response_model=Milestone, summary="Read a milestone")
async def get_milestone(context: Reading, milestone_id: UUID) -> Response:
    return reply(await context.run(lambda tx: milestones.get_milestone(tx, milestone_id)))


@router.patch("/milestones/{milestone_id}", response_model=Milestone, responses=CHANGES, summary="Change a milestone")
async def edit_milestone(context: Writing, milestone_id: UUID, body: MilestoneChange) -> Response:
    return await context.write(lambda tx: milestones.edit_milestone(tx, milestone_id, body, context.if_match))


@router.post(
    "/milestones/{milestone_id}/transitions",
    response_model=Milestone,
    responses=WRITES,
    summary="Take a step of a milestone",
)
async def step_milestone(context: Writing, milestone_id: UUID, body: MilestoneStep) -> Response:
    """Providers start, submit and cancel; clients approve or reject a submitted milestone without approval levels.

    The last approval delivers the booking. A rejection, also of an approved milestone of a delivered booking, returns
    the booking for revision with the reason. Submitting a milestone again requests its approval levels again.
    """
    return await context.write(lambda tx: milestones.step_milestone(tx, milestone_id, body, context.if_match))
