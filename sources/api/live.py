"""Live updates: each process reads what is new once, over one connection, and hands it to its listeners in memory.

Reading goes on from a snapshot of the database, so that a lost connection loses no event. What a listener is told
is one piece of bytes for all who see the same; a listener who does not keep up is dropped, and never waited for.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, NamedTuple
from uuid import UUID

import asyncpg
from fastapi.responses import StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from starlette.types import Receive, Scope, Send

from sources.operations.errors import Refusal
from sources.operations.live_changes import LiveChange, Missed
from sources.operations.transaction import Caller

log = logging.getLogger("hub.api")

BELL: Final = "hub_live_changes"
PAUSE_S: Final = 0.15  # between two readings: what comes meanwhile is one piece
QUIET_S: Final = 0.5  # until the next reading where no bell rings, such as for a transaction that took long
READ_TIMEOUT_S: Final = 5.0
RECONNECT_S: Final = 1.0
EVENTS_AT_ONCE: Final = 5000  # more than this in one reading: everybody reads anew

LISTENERS_MAX: Final = 4000  # of a process
PIECES_MAX: Final = 50  # that may wait for a listener: about ten seconds of a busy business
HEARTBEAT_S: Final = 15.0
RETRY_MS: Final = 3000  # after which a reader comes back

SELECT_NEW: Final = "select * from app.live_changes_since($1, $2)"

Audience = tuple[UUID, UUID | None]  # (organisation, person; None: who sees all of it)


class Piece(NamedTuple):
    """What one audience is told after the reading of this number: ids and frames, and the frames joined."""

    reading: int
    frames: list[tuple[UUID | None, bytes]]
    joined: bytes


class Listener:
    """A reader's place in the fan-out: the pieces that wait for them."""

    def __init__(self, audience: Audience) -> None:
        self.audience = audience
        self.pieces: asyncio.Queue[Piece | None] = asyncio.Queue(PIECES_MAX)  # None: the end
        self.fell_behind = False
        self.patience: asyncio.Timeout | None = None  # of the sending in progress

    def tell(self, piece: Piece) -> bool:
        """Whether there was room for `piece`."""
        try:
            self.pieces.put_nowait(piece)
        except asyncio.QueueFull:
            return False
        return True

    def end(self) -> None:
        """Let the stream end as soon as what waits is sent, or at once where too much waits."""
        try:
            self.pieces.put_nowait(None)
        except asyncio.QueueFull:
            self.drop()

    def drop(self) -> None:
        """Break the stream off, in the midst of a sending too. Repeatable."""
        if self.patience is not None and not self.fell_behind:
            self.patience.reschedule(asyncio.get_running_loop().time())
        self.fell_behind = True


class Live:
    """The listeners of this process, and the task that reads for them. `readings`: how many were begun."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._listeners: defaultdict[Audience, set[Listener]] = defaultdict(set)
        self._snapshot: str | None = None
        self._bell = asyncio.Event()
        self._has_begun = asyncio.Event()
        self.readings = 0

    @property
    def size(self) -> int:
        return sum(map(len, self._listeners.values()))

    def join(self, caller: Caller) -> Listener:
        """A listener for what `caller` may see from now on. Raises Refusal where there are too many."""
        if self.size >= LISTENERS_MAX:
            raise Refusal("unavailable", "too_many_listeners", "Too many people listen already. Try again shortly.")
        listener = Listener((caller.org_id, None if caller.role in ("admin", "system") else caller.profile_id))
        self._listeners[listener.audience].add(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        """Forget `listener`. Repeatable."""
        audience = self._listeners.get(listener.audience, set())
        audience.discard(listener)
        if not audience:
            self._listeners.pop(listener.audience, None)

    async def begin(self) -> None:
        """Wait for the first reading, though not for a database that is away: its listeners read anew then."""
        with suppress(TimeoutError):
            async with asyncio.timeout(READ_TIMEOUT_S):
                await self._has_begun.wait()

    async def follow(self) -> None:
        """Read what is new and hand it out, until cancelled; over a new connection where the last one was lost."""
        while True:
            try:
                connection = await asyncpg.connect(
                    self._url, timeout=READ_TIMEOUT_S, server_settings={"application_name": "hub-api-live"}
                )
                try:
                    await self._read_on(connection)
                finally:
                    connection.terminate()
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
                log.warning("live_reading_failed", extra={"error": type(error).__name__})
            await asyncio.sleep(RECONNECT_S)

    async def end_at(self, stopping: asyncio.Event) -> None:
        """Let every stream end when `stopping` is set."""
        await stopping.wait()
        for listener in [it for audience in self._listeners.values() for it in audience]:
            listener.end()

    async def _read_on(self, connection: asyncpg.Connection) -> None:
        await connection.add_listener(BELL, lambda *_: self._bell.set())
        while True:
            self._bell.clear()
            self.readings += 1
            rows = await connection.fetch(SELECT_NEW, self._snapshot, EVENTS_AT_ONCE + 1, timeout=READ_TIMEOUT_S)
            self._hand_out(rows)
            await asyncio.sleep(PAUSE_S)
            with suppress(TimeoutError):
                async with asyncio.timeout(QUIET_S - PAUSE_S):
                    await self._bell.wait()

    def _hand_out(self, rows: list[asyncpg.Record]) -> None:
        before, self._snapshot = self._snapshot, rows[0]["snapshot"]
        self._has_begun.set()
        if before is None or len(rows) > EVENTS_AT_ONCE or _is_earlier(self._snapshot, before):
            frames: dict[Audience, list[tuple[UUID | None, bytes]]] = {
                audience: [(None, frame_of(LiveChange(None, "reload", "{}")))] for audience in self._listeners
            }
        else:
            frames = self._frames(rows)
        for audience, told in frames.items():
            piece = Piece(self.readings, told, b"".join(frame for _, frame in told))
            for listener in [it for it in self._listeners[audience] if not it.tell(piece)]:
                log.warning("live_listener_dropped", extra={"profile_id": audience[1]})
                self.leave(listener)
                listener.drop()

    def _frames(self, rows: Iterable[asyncpg.Record]) -> dict[Audience, list[tuple[UUID | None, bytes]]]:
        """What each audience that listens is told; each event is written once."""
        frames: defaultdict[Audience, list[tuple[UUID | None, bytes]]] = defaultdict(list)
        for row in rows:
            if row["id"] is None:  # nothing is new
                continue
            if row["kind"] == "reload":
                audiences = {it for it in self._listeners if it[0] == row["org_id"]}
            else:
                people = {None, row["client_id"], row["provider_id"]}
                audiences = {(row["org_id"], person) for person in people} & self._listeners.keys()
            frame = frame_of(LiveChange(row["id"], row["kind"], row["data"])) if audiences else b""
            for audience in audiences:
                frames[audience].append((row["id"], frame))
        return frames


@asynccontextmanager
async def running(url: str, stopping: asyncio.Event) -> AsyncIterator[Live]:
    """The live updates of this process, from the database at `url`; every stream ends when `stopping` is set."""
    live = Live(url)
    tasks = [asyncio.create_task(live.follow()), asyncio.create_task(live.end_at(stopping))]
    try:
        await live.begin()
        yield live
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _is_earlier(snapshot: str, before: str) -> bool:
    """Whether the database has gone back: another server answers, or a backup was restored."""
    return int(snapshot.split(":")[1]) < int(before.split(":")[1])


def frame_of(change: LiveChange) -> bytes:
    """The event as it goes over the wire."""
    return format_sse_event(data_str=change.data, event=change.kind, id=str(change.id) if change.id else None)


class EventStream(StreamingResponse):
    """What `listener` is told: first what was missed, then what happens, until `ends_at` (of time.monotonic).

    Ends when its reader leaves or `listener` is ended; breaks off when it is dropped.
    """

    media_type = "text/event-stream"

    def __init__(self, live: Live, listener: Listener, missed: Missed, ends_at: float) -> None:
        super().__init__(self._chunks(missed, live.readings + 1), headers={"X-Accel-Buffering": "no"})
        self._live = live
        self._listener = listener
        self._ends_at = ends_at

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        listener = self._listener
        leaving = asyncio.create_task(_until_gone(receive))
        leaving.add_done_callback(lambda _: listener.end())
        try:
            async with asyncio.timeout(None) as listener.patience:
                await self.stream_response(send)
        except (TimeoutError, OSError):
            pass  # dropped, or gone: the server closes the connection of an answer without an end
        finally:
            self._live.leave(listener)
            listener.patience = None
            leaving.cancel()

    async def _chunks(self, missed: Missed, last_double: int) -> AsyncIterator[bytes]:
        """`last_double`: the last reading that may tell again what `missed` holds."""
        yield _opening(missed)
        told = {event.id for event in missed.changes or ()}
        while not self._listener.fell_behind:
            left = self._ends_at - time.monotonic()
            if left <= 0:
                return
            try:
                async with asyncio.timeout(min(HEARTBEAT_S, left)):
                    piece = await self._listener.pieces.get()
            except TimeoutError:
                yield KEEPALIVE_COMMENT
                continue
            if piece is None:
                return
            if told and piece.reading > last_double:
                told = set()
            new = b"".join(frame for id_, frame in piece.frames if id_ not in told) if told else piece.joined
            if new:
                yield new


def _opening(missed: Missed) -> bytes:
    """When to come back and where the reader stands, and then what they missed."""
    latest = str(missed.latest) if missed.latest else None
    if missed.changes is None:
        return format_sse_event(retry=RETRY_MS, id=latest, event="reload", data_str="{}")
    if missed.changes:
        return format_sse_event(retry=RETRY_MS) + b"".join(map(frame_of, missed.changes))
    return format_sse_event(retry=RETRY_MS, id=latest)


async def _until_gone(receive: Receive) -> None:
    message: Any = {"type": ""}
    while message["type"] != "http.disconnect":
        message = await receive()
