"""A closed-loop HTTP load: each client has one connection, and sends its next request when it has the response.

The load shares two cores with the API that it measures, and an HTTP client library in Python takes more CPU for a
request than the API does: hence this load generator.
"""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Final, cast

import numpy as np

WARM_UP_S: Final = 2.0
HEADER_END: Final = b"\r\n\r\n"


@dataclass
class Load:
    """The responses of the measured time: statuses, and seconds from the request to the complete response."""

    seconds: float
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds

    def percentile_ms(self, percent: float) -> float:
        return float(np.percentile(self.latencies, percent)) * 1000


def request(method: str, path: str, token: str, body: bytes = b"") -> bytes:
    """Return an HTTP/1.1 request as bytes."""
    head = [f"{method} {path} HTTP/1.1", "Host: bench", f"Authorization: Bearer {token}"]
    if body:
        head += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join(head).encode() + HEADER_END + body


def run(port: int, requests: list[bytes], clients: int, seconds: float) -> Load:
    """Send `requests` in turn over `clients` connections for `seconds`, after a warm-up, in a separate process."""
    with get_context("spawn").Pool(1) as process:
        return process.apply(_run, (port, requests, clients, seconds))


def _run(port: int, requests: list[bytes], clients: int, seconds: float) -> Load:
    import uvloop

    return uvloop.run(_load(port, requests, clients, seconds))


async def _load(port: int, requests: list[bytes], clients: int, seconds: float) -> Load:
    load = Load(seconds)
    loop = asyncio.get_running_loop()
    starts_at = time.perf_counter() + WARM_UP_S
    following = itertools.cycle(requests)
    ends_at = starts_at + seconds
    opened = [
        await loop.create_connection(lambda: _Client(following, starts_at, ends_at, load), "127.0.0.1", port)
        for _ in range(clients)
    ]
    await asyncio.gather(*(client.done for _, client in opened))
    return load


class _Client(asyncio.Protocol):
    """One connection, which reads only the status and the length of a response."""

    def __init__(self, requests: Iterator[bytes], starts_at: float, ends_at: float, load: Load) -> None:
        self.requests, self.starts_at, self.ends_at, self.load = requests, starts_at, ends_at, load
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's class has the methods, but is no subclass
        self._send()

    def _send(self) -> None:
        self.sent_at = time.perf_counter()
        self.transport.write(next(self.requests))

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, found, body = self.received.partition(HEADER_END)
        if not found or len(body) < _length(head):
            return
        now = time.perf_counter()
        if self.starts_at <= self.sent_at and now <= self.ends_at:
            self.load.statuses[int(head[9:12])] += 1
            self.load.latencies.append(now - self.sent_at)
        self.received = b""
        if now > self.ends_at:
            self.transport.close()
        else:
            self._send()

    def connection_lost(self, error: Exception | None) -> None:
        if error is None and time.perf_counter() > self.ends_at:
            self.done.set_result(None)
        else:
            self.done.set_exception(error or ConnectionError("the API closed the connection"))


def _length(head: bytes) -> int:
    _, _, rest = head.lower().partition(b"content-length: ")
    return int(rest.split(b"\r\n", 1)[0])
