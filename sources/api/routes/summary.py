"""Route of the summary of bookings. Its router precedes that of bookings, which would read `summary` as an id."""

from typing import Final

from fastapi import APIRouter, Response

from sources.api.last_known import LastKnown
from sources.api.problems import COMMON
from sources.api.request_context import Reading, reply
from sources.operations.bookings import summary
from sources.operations.bookings.summary import Summary

router = APIRouter(prefix="/v1/bookings", tags=["bookings"], responses=COMMON)

PATIENCE_S: Final = 1.5  # after this time the last known figures are sent instead


@router.get("/summary", response_model=Summary, summary="Read the summary of bookings")
async def get_summary(context: Reading) -> Response:
    """The caller's bookings; for admins all of the organisation. While the database is slow or unavailable: the last
    figures sent to the caller, with `stale: true` and their time in `as_of`."""
    known: LastKnown[Summary] = context.request.app.state.summaries
    figures, is_stale = await known.get(context.identity, lambda: context.run(summary.summarise), patience_s=PATIENCE_S)
    return reply(figures.model_copy(update={"stale": True}) if is_stale else figures)
