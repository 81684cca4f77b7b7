"""Bench of live changes: latency from commit to event, memory of the API, dropped streams, and time to shut down.

    python -m bench.live [--listeners 500] [--rate 100] [--seconds 30]

The API is a process of its own, as in production; every listener is an admin and so gets every change. At the end the
process is stopped while all of them are connected.
"""

import argparse
import asyncio
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import lru_cache, partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Final
from uuid import UUID

import jwt
import numpy as np
import psutil
import psycopg
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from bench.server import serving, temporary_hub
from sources import database
from sources.settings import Settings

P95_LIMIT_S: Final = 1.0
GROWTH_LIMIT_MB: Final = 10.0  # of memory, from the middle to the end
STOP_LIMIT_S: Final = 5.0
BOOKINGS: Final = 1000
SETTLE_S: Final = 30.0  # the longest wait for the last events
VERSION: Final = re.compile(rb'"version": "(\d+)"')

BUSINESS: Final = """
with org as (
    insert into app.organizations (id, org_id, name, slug, timezone, currency)
    select i, i, 'Live', 'live', 'UTC', 'EUR' from uuidv7() as i returning id
), people as (
    insert into app.profiles (org_id, role, full_name) select id, r, r from org, unnest(array['admin', 'client']) as r
    returning id, role
), service as (
    insert into app.services (org_id, name, base_price, currency) select id, 'Advice', 100, 'EUR' from org returning id
), booked as (
    insert into app.bookings (org_id, booking_number, client_id, service_id, status, title, total_amount, currency)
    select org.id, 'L-' || n, people.id, service.id, 'requested', 'Advice', 100, 'EUR'
    from org, people, service, generate_series(1, %s) as n where people.role = 'client'
)
select org.id, people.id from org, people where people.role = 'admin'
"""
CHANGE: Final = """
update app.bookings set title = 'Advice ' || %s::int where org_id = %s and booking_number = 'L-' || %s::int
returning row_version::text
"""


@dataclass
class Report:
    """The measurements; latencies in seconds, one for each first receipt of an event by a listener."""

    listeners: int
    changes: int
    latencies: NDArray[np.float64]
    repeated: int
    dropped: int
    memory_mb: list[float]  # of the API's process: at the start, in the middle, at the end
    stopped_in_s: float

    @property
    def missed(self) -> int:
        return self.listeners * self.changes - len(self.latencies)


@dataclass
class Received:
    """The events of all listeners: for each the listener, its version and its time; and the number of ended streams."""

    listener: NDArray[np.int32]
    version: NDArray[np.int64]
    at: NDArray[np.float64]
    ended: int


def measure(settings: Settings, *, listeners: int, rate: float, seconds: float) -> Report:
    """Change bookings while listeners receive the events, on the migrated database of `settings`."""
    with psycopg.connect(database.database_url(settings), autocommit=True) as connection:
        org_id, admin = connection.execute(BUSINESS, [BOOKINGS]).fetchall()[0]
        with serving(settings) as api:
            ours, theirs = get_context("spawn").Pipe()
            process = get_context("spawn").Process(
                target=_listen, args=(theirs, settings.port_api, _token(settings, org_id, admin), listeners)
            )
            process.start()
            assert ours.recv() == "ready"
            memory = [_memory_mb(api)]
            committed = change(connection, org_id, rate, seconds / 2)
            memory.append(_memory_mb(api))
            committed |= change(connection, org_id, rate, seconds / 2)
            ours.send(listeners * len(committed))
            received: Received = ours.recv()
            memory.append(_memory_mb(api))
            began = time.monotonic()
            api.terminate()
            api.wait(30)
            stopped_in = time.monotonic() - began
            ours.send("end")
            process.join()
    pairs = np.stack([received.listener.astype(np.int64), received.version])
    _, first = np.unique(pairs, axis=1, return_index=True)
    commits = np.array([committed[version] for version in received.version[first].tolist()])
    latencies = np.maximum(received.at[first] - commits, 0)
    repeated = len(received.at) - len(first)
    return Report(listeners, len(committed), latencies, repeated, received.ended, memory, stopped_in)


def change(connection: psycopg.Connection, org_id: UUID, rate: float, seconds: float) -> dict[int, float]:
    """Change `rate` bookings per second, one per transaction; return version -> time of the commit."""
    committed = {}
    began = time.monotonic()
    for number in range(round(rate * seconds)):
        time.sleep(max(0.0, began + number / rate - time.monotonic()))
        row = connection.execute(CHANGE, [number, org_id, number % BOOKINGS + 1]).fetchall()[0]
        committed[int(row[0])] = time.monotonic()
    return committed


def _memory_mb(process: subprocess.Popen[bytes]) -> float:
    return float(psutil.Process(process.pid).memory_info().rss) / 1e6


def _token(settings: Settings, org_id: UUID, profile_id: UUID) -> str:
    claims = {
        "sub": str(profile_id), "org_id": str(org_id), "aud": settings.jwt_audience, "exp": int(time.time()) + 3600
    }  # fmt: skip
    return jwt.encode(claims, settings.secret("jwt_secret"), "HS256")


class _Reader(asyncio.Protocol):
    """One listener, which adds its events to `received` as (listener, time, versions)."""

    def __init__(self, number: int, received: list[tuple[int, float, tuple[int, ...]]]) -> None:
        self.number = number
        self.received = received
        self.started = asyncio.get_running_loop().create_future()
        self.has_ended = False
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        at = time.monotonic()
        text = self._rest + data
        end = text.rfind(b"\n") + 1
        self._rest = text[end:]
        if versions := _versions(text[:end]):
            self.received.append((self.number, at, versions))
        if not self.started.done() and b"retry:" in text:
            self.started.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self.has_ended = True


@lru_cache(maxsize=64)
def _versions(text: bytes) -> tuple[int, ...]:
    """Return the versions in `text`; cached, since most listeners read the same bytes."""
    return tuple(int(version) for version in VERSION.findall(text))


def _listen(pipe: Connection, port: int, token: str, listeners: int) -> None:
    import uvloop

    uvloop.run(_listen_all(pipe, port, token, listeners))


async def _listen_all(pipe: Connection, port: int, token: str, listeners: int) -> None:
    received: list[tuple[int, float, tuple[int, ...]]] = []
    loop = asyncio.get_running_loop()
    request = f"GET /v1/events HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    readers = []
    for number in range(listeners):
        transport, reader = await loop.create_connection(partial(_Reader, number, received), "127.0.0.1", port)
        transport.write(request)
        await reader.started
        readers.append(reader)
    pipe.send("ready")
    expected: int = await asyncio.to_thread(pipe.recv)
    deadline = time.monotonic() + SETTLE_S
    while sum(len(versions) for _, _, versions in received) < expected and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
    pipe.send(
        Received(
            np.array([number for number, _, versions in received for _ in versions], np.int32),
            np.array([version for _, _, versions in received for version in versions], np.int64),
            np.array([at for _, at, versions in received for _ in versions], np.float64),
            sum(reader.has_ended for reader in readers),
        )
    )
    await asyncio.to_thread(pipe.recv)


def main() -> int:
    """Measure and print; return 0 only if every limit is met."""
    parser = argparse.ArgumentParser(description="Latency from commit to event, with many listeners.")
    parser.add_argument("--listeners", type=int, default=500)
    parser.add_argument("--rate", type=float, default=100, help="changes per second")
    parser.add_argument("--seconds", type=float, default=30)
    arguments = parser.parse_args()
    console = Console()
    with temporary_hub() as settings, console.status("Measuring"):
        report = measure(settings, listeners=arguments.listeners, rate=arguments.rate, seconds=arguments.seconds)
    p50, p95, most = (float(np.percentile(report.latencies, percent)) for percent in (50, 95, 100))
    title = f"{report.listeners} listeners, {arguments.rate:.0f} changes per second for {arguments.seconds:.0f} s"
    table = Table(title=title)
    for heading in ("p50 s", "p95 s", "max s", "MB before", "MB middle", "MB end", "missed", "repeated", "dropped"):
        table.add_column(heading, justify="right")
    table.add_row(
        f"{p50:.3f}", f"{p95:.3f}", f"{most:.3f}", *(f"{size:.0f}" for size in report.memory_mb), str(report.missed),
        str(report.repeated), str(report.dropped),
    )  # fmt: skip
    console.print(table)
    growth = report.memory_mb[2] - report.memory_mb[1]
    verdicts = (
        (p95 < P95_LIMIT_S, f"p95 {p95:.2f} s from commit to event (limit: {P95_LIMIT_S:.0f} s)"),
        (report.missed == 0 == report.dropped, f"{report.missed} events missed, {report.dropped} dropped (limit: 0)"),
        (growth < GROWTH_LIMIT_MB, f"memory grew by {growth:.1f} MB in the second half (limit: {GROWTH_LIMIT_MB:.0f})"),
        (report.stopped_in_s < STOP_LIMIT_S, f"stopped in {report.stopped_in_s:.1f} s (limit: {STOP_LIMIT_S:.0f} s)"),
    )
    for is_met, sentence in verdicts:
        console.print(f"[green]met[/] {sentence}" if is_met else f"[red]not met[/] {sentence}")
    return 0 if all(is_met for is_met, _ in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
