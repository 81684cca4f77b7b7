"""Routes of the organisation and its policies."""

from fastapi import APIRouter, Response

from sources.api.problems import CHANGES, COMMON
from sources.api.request_context import Reading, Writing, reply
from sources.operations.settings import organization
from sources.operations.settings.organization import Organization, OrganizationChange

router = APIRouter(prefix="/v1/organization", tags=["settings"], responses=COMMON)


@router.get("", response_model=Organization, summary="Read the organisation")
async def get_organization(context: Reading) -> Response:
    """Its place, working days and policies. For everyone in it."""
    return reply(await context.run(organization.get_organization))


@router.patch("", response_model=Organization, responses=CHANGES, summary="Change the organisation")
async def edit_organization(context: Writing, body: OrganizationChange) -> Response:
    """For admins. A present booking keeps its deposit, and owes no higher fee than by the rules that stood when it was
    made. The time zone is fixed once there are bookings, the currency always."""
    return await context.write(lambda tx: organization.edit_organization(tx, body, context.if_match))
