"""Streams of live changes: each process reads new rows once, over one connection, and sends them to its listeners.

Each reading continues from a snapshot of the database, so that a lost connection loses no change. Listeners who see the
same changes share the same bytes. A listener who does not read fast enough is dropped, and never waited for.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, NamedTuple
from uuid import UUID

import asyncpg
from fastapi.responses import StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from starlette.types import Receive, Scope, Send

from sources.operations import transaction
from sources.operations.communication.live_changes import LiveChange, Missed
from sources.operations.errors import Refusal
from sources.operations.transaction import SEES_ALL, Caller

log = logging.getLogger("hub.api")

CHANNEL: Final = "hub_live_changes"  # of NOTIFY
ACCESS_CHANNEL: Final = "hub_access"  # of NOTIFY: a person or an API key was changed
PAUSE_S: Final = 0.15  # between two readings: the changes in this time are sent together
QUIET_S: Final = 0.5  # until the next reading without a notification, such as of a long transaction
READ_TIMEOUT_S: Final = 5.0
RECONNECT_S: Final = 1.0
CHANGES_MAX: Final = 5000  # of one reading; where there are more, every listener gets `reload`

LISTENERS_MAX: Final = 4000  # per process
BATCHES_MAX: Final = 50  # in the queue of a listener: about ten seconds of a busy business
HEARTBEAT_S: Final = 15.0
RETRY_MS: Final = 3000  # after which a client reconnects

SELECT_NEW: Final = "select * from app.live_changes_since($1, $2)"
SELECT_WITHOUT_ACCESS: Final = "select * from app.without_access($1, $2, $3, $4)"

Audience = tuple[UUID, UUID | None]  # (organisation, person; None: those who see everything)


class Batch(NamedTuple):
    """The changes of one reading for one audience: number of the reading, ids with frames, and the frames joined."""

    reading: int
    frames: list[tuple[UUID | None, bytes]]
    joined: bytes


class Listener:
    """The queue of batches for one stream."""

    def __init__(self, caller: Caller, key_hash: bytes | None) -> None:
        self.caller = caller
        self.key_hash = key_hash  # of the API key; None: a token
        self.audience: Audience = (caller.org_id, None if caller.role in SEES_ALL else caller.profile_id)
        self.batches: asyncio.Queue[Batch | None] = asyncio.Queue(BATCHES_MAX)  # None: the end
        self.fell_behind = False
        self.sending: asyncio.Timeout | None = None  # of the response in progress

    def put(self, batch: Batch) -> bool:
        """Add `batch` to the queue; return False if the queue is full."""
        try:
            self.batches.put_nowait(batch)
        except asyncio.QueueFull:
            return False
        return True

    def end(self) -> None:
        """End the stream after the queue is sent, or at once if the queue is full."""
        try:
            self.batches.put_nowait(None)
        except asyncio.QueueFull:
            self.drop()

    def drop(self) -> None:
        """Break off the stream, even while it is sending. Repeatable."""
        if self.sending is not None and not self.fell_behind:
            self.sending.reschedule(asyncio.get_running_loop().time())
        self.fell_behind = True


class Live:
    """The listeners of this process, and the task that reads for them. `readings`: the number of readings started.

    `on_access_change` is called where a person or an API key may have lost access, after their streams have ended.
    """

    def __init__(self, url: str, secret: str, on_access_change: Callable[[], None]) -> None:
        self._url, self._secret = url, secret  # with which the API enters the database
        self._on_access_change = on_access_change
        self._access_has_changed = False
        self._listeners: defaultdict[Audience, set[Listener]] = defaultdict(set)
        self._snapshot: str | None = None
        self._notified = asyncio.Event()
        self._has_read = asyncio.Event()
        self.readings = 0

    @property
    def size(self) -> int:
        return sum(map(len, self._listeners.values()))

    def join(self, caller: Caller, key_hash: bytes | None, most: int) -> Listener:
        """Add a listener for the changes that `caller` may see from now on.

        Raises Refusal where the process has too many, or the person has `most` already.
        """
        listener = Listener(caller, key_hash)
        own = [
            other
            for other in self._listeners.get(listener.audience, ())
            if other.caller.profile_id == caller.profile_id  # with whatever token or key
        ]
        if self.size >= LISTENERS_MAX or len(own) >= most:
            raise Refusal("unavailable", "too_many_listeners", "Too many streams are open. Try again shortly.")
        self._listeners[listener.audience].add(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        """Remove `listener`. Repeatable."""
        audience = self._listeners.get(listener.audience, set())
        audience.discard(listener)
        if not audience:
            self._listeners.pop(listener.audience, None)

    async def begin(self) -> None:
        """Wait for the first reading, unless the database is unavailable; its listeners get `reload` then."""
        with suppress(TimeoutError):
            async with asyncio.timeout(READ_TIMEOUT_S):
                await self._has_read.wait()

    async def follow(self) -> None:
        """Read and send changes until cancelled; reconnect after the connection is lost."""
        while True:
            try:
                connection = await transaction.connect(
                    self._url,
                    self._secret,
                    timeout=READ_TIMEOUT_S,
                    server_settings={"application_name": "hub-api-live"},
                )
                try:
                    await self._read(connection)
                finally:
                    connection.terminate()
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
                log.warning("live_reading_failed", extra={"error": type(error).__name__})
            except Exception:  # a defect must not end the streams of this process: every listener gets `reload`
                log.exception("live_reading_failed")
                self._snapshot = None
            await asyncio.sleep(RECONNECT_S)

    async def end_at(self, stopping: asyncio.Event) -> None:
        """End every stream when `stopping` is set."""
        await stopping.wait()
        for listener in self._all():
            listener.end()

    def _all(self) -> list[Listener]:
        return [listener for audience in self._listeners.values() for listener in audience]

    def _note_access_change(self, *_: object) -> None:
        self._access_has_changed = True
        self._notified.set()

    async def _read(self, connection: asyncpg.Connection) -> None:
        async with asyncio.timeout(READ_TIMEOUT_S):
            await connection.add_listener(CHANNEL, lambda *_: self._notified.set())
            await connection.add_listener(ACCESS_CHANNEL, self._note_access_change)
        self._access_has_changed = True  # while the connection was lost, perhaps
        while True:
            self._notified.clear()
            if self._access_has_changed:
                await self._drop_without_access(connection)
            self.readings += 1
            async with asyncio.timeout(READ_TIMEOUT_S), connection.transaction():
                await transaction.enter_as(connection, "live", None, int(READ_TIMEOUT_S * 1000))
                rows = await connection.fetch(SELECT_NEW, self._snapshot, CHANGES_MAX + 1)
            self._send(rows)
            await asyncio.sleep(PAUSE_S)
            with suppress(TimeoutError):
                async with asyncio.timeout(QUIET_S - PAUSE_S):
                    await self._notified.wait()

    async def _drop_without_access(self, connection: asyncpg.Connection) -> None:
        self._access_has_changed = False
        listeners = self._all()
        lost = await connection.fetch(
            SELECT_WITHOUT_ACCESS,
            [listener.caller.org_id for listener in listeners],
            [listener.caller.profile_id for listener in listeners],
            [listener.caller.role for listener in listeners],
            [listener.key_hash for listener in listeners],
            timeout=READ_TIMEOUT_S,
        )
        for (position,) in lost:
            self.leave(listeners[position - 1])
            listeners[position - 1].drop()
            listeners[position - 1].end()
        self._on_access_change()

    def _send(self, rows: list[asyncpg.Record]) -> None:
        before, self._snapshot = self._snapshot, rows[0]["snapshot"]
        self._has_read.set()
        if before is None or len(rows) > CHANGES_MAX or _is_earlier(self._snapshot, before):
            frames: dict[Audience, list[tuple[UUID | None, bytes]]] = {
                audience: [(None, frame_of(LiveChange(None, "reload", "{}")))] for audience in self._listeners
            }
        else:
            frames = self._frames(rows)
        for audience, changes in frames.items():
            batch = Batch(self.readings, changes, b"".join(frame for _, frame in changes))
            for listener in [listener for listener in self._listeners[audience] if not listener.put(batch)]:
                log.warning("live_listener_dropped", extra={"profile_id": audience[1]})
                self.leave(listener)
                listener.drop()

    def _frames(self, rows: Iterable[asyncpg.Record]) -> dict[Audience, list[tuple[UUID | None, bytes]]]:
        """Return the frames of each audience that has listeners; each change is formatted once."""
        frames: defaultdict[Audience, list[tuple[UUID | None, bytes]]] = defaultdict(list)
        for row in rows:
            if row["id"] is None:  # no new rows
                continue
            if row["kind"] == "reload":
                audiences = {audience for audience in self._listeners if audience[0] == row["org_id"]}
            else:
                people = {None, row["client_id"], row["provider_id"]}
                audiences = {(row["org_id"], person) for person in people} & self._listeners.keys()
            frame = frame_of(LiveChange(row["id"], row["kind"], row["data"])) if audiences else b""
            for audience in audiences:
                frames[audience].append((row["id"], frame))
        return frames


@asynccontextmanager
async def running(
    url: str, secret: str, stopping: asyncio.Event, on_access_change: Callable[[], None]
) -> AsyncIterator[Live]:
    """Run the live changes of this process, from the database at `url`; every stream ends when `stopping` is set."""
    live = Live(url, secret, on_access_change)
    tasks = [asyncio.create_task(live.follow()), asyncio.create_task(live.end_at(stopping))]
    try:
        await live.begin()
        yield live
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _is_earlier(snapshot: str, before: str) -> bool:
    """Return True if the database has gone back in time: after a failover, or a restored backup."""
    return int(snapshot.split(":")[1]) < int(before.split(":")[1])


def frame_of(change: LiveChange) -> bytes:
    """Return the change as a server-sent event."""
    return format_sse_event(data_str=change.data, event=change.kind, id=str(change.id) if change.id else None)


class EventStream(StreamingResponse):
    """The response of a stream: the missed changes, then the batches of `listener`, until `ends_at` (time.monotonic).

    Ends when the client disconnects or `listener` is ended; breaks off when `listener` is dropped.
    """

    media_type = "text/event-stream"

    def __init__(self, live: Live, listener: Listener, missed: Missed, ends_at: float) -> None:
        super().__init__(self._chunks(missed, live.readings + 1), headers={"X-Accel-Buffering": "no"})
        self._live = live
        self._listener = listener
        self._ends_at = ends_at

    async def __call__(self, asgi_scope: Scope, receive: Receive, send: Send) -> None:
        listener = self._listener
        disconnect = asyncio.create_task(_until_disconnected(receive))
        disconnect.add_done_callback(lambda _: listener.end())
        try:
            async with asyncio.timeout(None) as listener.sending:
                await self.stream_response(send)
        except (TimeoutError, OSError):
            pass  # dropped or disconnected: the server closes the connection of an incomplete response
        finally:
            self._live.leave(listener)
            listener.sending = None
            disconnect.cancel()

    async def _chunks(self, missed: Missed, last_overlap: int) -> AsyncIterator[bytes]:
        """Yield the stream. `last_overlap`: the last reading that may repeat changes of `missed`."""
        yield _opening(missed)
        sent = {change.id for change in missed.changes or ()}
        while not self._listener.fell_behind:
            remaining = self._ends_at - time.monotonic()
            if remaining <= 0:
                return
            try:
                async with asyncio.timeout(min(HEARTBEAT_S, remaining)):
                    batch = await self._listener.batches.get()
            except TimeoutError:
                yield KEEPALIVE_COMMENT
                continue
            if batch is None:
                return
            if sent and batch.reading > last_overlap:
                sent = set()
            new = b"".join(frame for id_, frame in batch.frames if id_ not in sent) if sent else batch.joined
            if new:
                yield new


def _opening(missed: Missed) -> bytes:
    """Return the start of a stream: the reconnection time, the id to resume from, and the missed changes."""
    latest = str(missed.latest) if missed.latest else None
    if missed.changes is None:
        return format_sse_event(retry=RETRY_MS, id=latest, event="reload", data_str="{}")
    if missed.changes:
        return format_sse_event(retry=RETRY_MS) + b"".join(map(frame_of, missed.changes))
    return format_sse_event(retry=RETRY_MS, id=latest)


async def _until_disconnected(receive: Receive) -> None:
    message: Any = {"type": ""}
    while message["type"] != "http.disconnect":
        message = await receive()
