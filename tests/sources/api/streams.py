"""Reading GET /v1/events in tests: a stream in a thread, its events in a queue."""

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import Queue
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from tests.waiting import PATIENCE_S


class Event(NamedTuple):
    """One event of a stream."""

    id: str | None
    kind: str
    data: dict[str, Any]


class Stream:
    """An open stream. `position`: the id at its start."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.position: str | None = None
        self.ended = threading.Event()
        self._response = response
        self._events: Queue[Event] = Queue()
        self._opened = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        assert self._opened.wait(PATIENCE_S)

    def next(self) -> Event:
        """Return the next event; fail if there is none in time."""
        return self._events.get(timeout=PATIENCE_S)

    def until(self, mark: str) -> list[Event]:
        """Return the events before the one whose data has `mark`; events with other marks are left out."""
        events = []
        while (event := self.next()).data.get("mark") != mark:
            events.append(event)
        return [event for event in events if "mark" not in event.data]

    def join(self) -> None:
        """Wait until the reading thread has ended."""
        self._reader.join(PATIENCE_S)

    def _read(self) -> None:
        fields: dict[str, str] = {}
        with suppress(http.client.HTTPException, OSError):
            while line := self._response.readline():
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name:
                    fields[name] = value
                    continue
                if "event" in fields:
                    self._events.put(Event(fields.get("id"), fields["event"], json.loads(fields["data"])))
                elif "id" in fields:
                    self.position = fields["id"]
                fields = {}
                self._opened.set()
        self.ended.set()


@contextmanager
def listening(url: str, token: str, last_id: str | None = None, header: str = "Authorization") -> Iterator[Stream]:
    """Open the stream of GET /v1/events of the API at `url`, from `last_id` on, with a token, or a key in X-API-Key."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE_S)
    headers = {header: f"Bearer {token}" if header == "Authorization" else token} | (
        {"Last-Event-ID": last_id} if last_id else {}
    )
    connection.request("GET", "/v1/events", headers=headers)
    raw: socket.socket = connection.sock
    response = connection.getresponse()
    assert response.status == 200, response.read()
    assert str(response.headers["content-type"]).startswith("text/event-stream")
    stream = Stream(response)
    try:
        yield stream
    finally:
        with suppress(OSError):  # the server ended it already
            raw.shutdown(socket.SHUT_RDWR)
        stream.join()
        connection.close()
