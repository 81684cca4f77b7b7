"""Route of the audit log."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from sources.api.problems import COMMON
from sources.api.request_context import Reading, reply
from sources.operations import audit
from sources.operations.audit import AuditEntry, AuditQuery
from sources.operations.bookings.access import Page

router = APIRouter(prefix="/v1/audit", tags=["audit"], responses=COMMON)


@router.get("", response_model=Page[AuditEntry], summary="Read who did what")
async def list_entries(context: Reading, query: Annotated[AuditQuery, Query()]) -> Response:
    """Every change that a person made by the API or the pages, and every sign-in; the latest first. For admins."""
    return reply(await context.run(lambda tx: audit.list_entries(tx, query)))
