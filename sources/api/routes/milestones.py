"""Milestones."""

from uuid import UUID

from fastapi import APIRouter, Response

from sources.api.context import Calling, Writing, reply
from sources.api.problems import CHANGES, COMMON, WRITES
from sources.operations import milestones
from sources.operations.children import All
from sources.operations.milestones import Milestone, MilestoneChange, MilestoneStep, NewMilestone

router = APIRouter(prefix="/v1", tags=["milestones"], responses=COMMON)


@router.get("/bookings/{booking_id}/milestones", response_model=All[Milestone], summary="List a booking's milestones")
async def list_milestones(context: Calling, booking_id: UUID) -> Response:
    return reply(await context.run(lambda tx: milestones.list_milestones(tx, booking_id)))


@router.post(
    "/bookings/{booking_id}/milestones",
    status_code=201,
    response_model=Milestone,
    responses=WRITES,
    summary="Plan a milestone",
)
async def create_milestone(context: Writing, booking_id: UUID, body: NewMilestone) -> Response:
    """Providers and admins plan milestones until the booking is delivered; without `position` it comes last."""
    return await context.write(
        lambda tx: milestones.create_milestone(tx, booking_id, body),
        status=201,
        location=lambda made: f"/v1/milestones/{made.id}",
    )


@router.get("/milestones/{milestone_id}", response_model=Milestone, summary="Read a milestone")
async def get_milestone(context: Calling, milestone_id: UUID) -> Response:
    return reply(await context.run(lambda tx: milestones.get_milestone(tx, milestone_id)))


@router.patch(
    "/milestones/{milestone_id}", response_model=Milestone, responses=CHANGES, summary="Change what is planned"
)
async def edit_milestone(context: Writing, milestone_id: UUID, body: MilestoneChange) -> Response:
    return await context.write(lambda tx: milestones.edit_milestone(tx, milestone_id, body, context.if_match))


@router.post(
    "/milestones/{milestone_id}/transitions", response_model=Milestone, responses=WRITES, summary="Take a step with it"
)
async def step_milestone(context: Writing, milestone_id: UUID, body: MilestoneStep) -> Response:
    """Providers start, submit and cancel; clients approve or reject what was submitted, unless it has approval levels.

    The last approval delivers the booking. A rejection, of a delivered milestone too, sends the booking back to
    revision with the reason. A milestone with approval levels that is submitted again asks the same levels anew.
    """
    return await context.write(lambda tx: milestones.step_milestone(tx, milestone_id, body, context.if_match))
