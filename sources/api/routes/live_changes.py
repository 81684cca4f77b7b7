"""Route of live changes: GET /v1/events."""

import random
import time
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Header, Response

from sources.api.live import EventStream, Live
from sources.api.problems import COMMON
from sources.api.request_context import Reading
from sources.operations import api_keys
from sources.operations.communication import live_changes
from sources.operations.communication.live_changes import Missed
from sources.operations.errors import Refusal
from sources.operations.transaction import Caller, Key, Tx

router = APIRouter(prefix="/v1/events", tags=["events"], responses=COMMON)

REPLAY_TIMEOUT_MS: Final = 2000  # after that, the reader has to read everything anew
EXAMPLE: Final = (
    "event: booking.changed\n"
    'data: {"status": "confirmed", "version": "81934", "booking_id": "0198c5a1-7d3e-7c11-9f0b-3f3b0a2b6c1d", '
    '"progress_pct": "0.00", "booking_number": "BK-2026-1000001"}\n'
    "id: 0198c5a1-9a70-7b1e-8c55-6a1f0c9b7e22\n\n"
)
STREAM: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Server-sent events, until the lifetime of the stream ends: then reconnect with the last id.",
        "content": {"text/event-stream": {"schema": {"type": "string"}, "example": EXAMPLE}},
    }
}


@router.get("", status_code=200, response_class=EventStream, responses=STREAM, summary="Stream live changes")
async def stream_events(
    context: Reading,
    last_event_id: Annotated[
        str | None, Header(description="The id of the last event received: the events after it are sent first.")
    ] = None,
) -> Response:
    """Changes that the caller may see, within a second: of their own bookings; for admins, of all bookings of the
    organisation and of its insights. Each event is sent at least once, with the same id. After `reload`, read all data
    anew that you show."""
    state = context.request.app.state
    live: Live = state.live
    caller, key_expires_at = await context.run(_entered)
    key_hash = context.identity.key_hash if isinstance(context.identity, Key) else None
    listener = live.join(
        caller, key_hash, state.settings.live_streams
    )  # before reading the missed changes, so that none is lost in between
    try:
        missed = await _missed(context, last_event_id)
    except BaseException:
        live.leave(listener)
        raise
    if state.stopping.is_set():
        listener.end()
    # Random, so that streams that started together do not reconnect together.
    lifetime = state.settings.live_stream_s * random.uniform(0.9, 1.0)
    token_expires_at = getattr(context.request.state, "expires_at", float("inf"))
    expires_in = (key_expires_at.timestamp() if key_expires_at else token_expires_at) - time.time()
    return EventStream(live, listener, missed, time.monotonic() + min(lifetime, expires_in))


async def _entered(tx: Tx) -> tuple[Caller, datetime | None]:
    """Return the caller, and the end of their API key."""
    return tx.caller, await api_keys.key_expires_at(tx)


async def _missed(context: Reading, last_event_id: str | None) -> Missed:
    if last_event_id is None:
        return await context.run(lambda tx: live_changes.missed_changes(tx, None))
    last_id = UUID(int=0)  # no change has this id: the same as an unknown one
    with suppress(ValueError):
        last_id = UUID(last_event_id)
    try:
        return await context.run(lambda tx: live_changes.missed_changes(tx, last_id), timeout_ms=REPLAY_TIMEOUT_MS)
    except Refusal as refusal:
        if refusal.code != "timeout":
            raise
        return Missed(None, None)
