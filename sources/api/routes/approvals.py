"""Routes of approvals."""

from uuid import UUID

from fastapi import APIRouter, Response

from sources.api.problems import COMMON, WRITES
from sources.api.request_context import Reading, Writing, reply
from sources.operations.bookings.access import All
from sources.operations.work import approvals
from sources.operations.work.approvals import Approval, ApprovalRequest, Decision

router = APIRouter(prefix="/v1", tags=["approvals"], responses=COMMON)


@router.get("/bookings/{booking_id}/approvals", response_model=All[Approval], summary="List a booking's approvals")
async def list_booking_approvals(context: Reading, booking_id: UUID) -> Response:
    """The latest round first; only the latest round counts."""
    return reply(await context.run(lambda tx: approvals.list_booking_approvals(tx, booking_id)))


@router.post(
    "/bookings/{booking_id}/approvals",
    status_code=201,
    response_model=All[Approval],
    responses=WRITES,
    summary="Request approvals of a booking",
)
async def request_booking_approvals(context: Writing, booking_id: UUID, body: ApprovalRequest) -> Response:
    """List the levels in the order in which they decide. The booking is approved and confirmed only after all of them.

    While a round is open, only an admin may request a new one, which closes the open round.
    """
    return await context.write(lambda tx: approvals.request_booking_approvals(tx, booking_id, body), status=201)


@router.get(
    "/milestones/{milestone_id}/approvals", response_model=All[Approval], summary="List a milestone's approvals"
)
async def list_milestone_approvals(context: Reading, milestone_id: UUID) -> Response:
    """The latest round first; only the latest round counts."""
    return reply(await context.run(lambda tx: approvals.list_milestone_approvals(tx, milestone_id)))


@router.post(
    "/milestones/{milestone_id}/approvals",
    status_code=201,
    response_model=All[Approval],
    responses=WRITES,
    summary="Request approvals of a milestone",
)
async def request_milestone_approvals(context: Writing, milestone_id: UUID, body: ApprovalRequest) -> Response:
    """List the levels in the order in which they decide. They decide once the milestone is submitted."""
    return await context.write(lambda tx: approvals.request_milestone_approvals(tx, milestone_id, body), status=201)


@router.post(
    "/approvals/{approval_id}/decision",
    response_model=Approval,
    responses=WRITES,
    summary="Approve or reject a level of approval",
)
async def decide_approval(context: Writing, approval_id: UUID, body: Decision) -> Response:
    """For the approver of the level, after the earlier levels. A rejection returns the booking with the reason."""
    return await context.write(lambda tx: approvals.decide_approval(tx, approval_id, body))
