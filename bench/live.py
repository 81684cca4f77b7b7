"""How soon a change reaches those who listen: from its commit to the event, with what memory, and who is dropped.

    python -m bench.live [--listeners 500] [--rate 100] [--seconds 30]

The API is a process of its own, as in service; every listener is an admin and so is told of every change. In the end
the process is asked to stop while all of them listen.
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

P95_BAR_S: Final = 1.0
GROWTH_BAR_MB: Final = 10.0  # from the middle to the end
STOP_BAR_S: Final = 5.0
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
    """What was measured; latencies in seconds, one for each event that a listener was told first."""

    listeners: int
    changes: int
    latencies: NDArray[np.float64]
    repeated: int
    dropped: int
    memory_mb: list[float]  # of the API's process: before, in the middle, in the end
    stopped_in_s: float

    @property
    def missed(self) -> int:
        return self.listeners * self.changes - len(self.latencies)


@dataclass
class Heard:
    """What the listeners heard: for each event the listener, its version and the moment; and whose stream ended."""

    listener: NDArray[np.int32]
    version: NDArray[np.int64]
    at: NDArray[np.float64]
    ended: int


def measure(settings: Settings, *, listeners: int, rate: float, seconds: float) -> Report:
    """Listen and change, on the migrated database of `settings`."""
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
            heard: Heard = ours.recv()
            memory.append(_memory_mb(api))
            began = time.monotonic()
            api.terminate()
            api.wait(30)
            stopped_in = time.monotonic() - began
            ours.send("end")
            process.join()
    pairs = np.stack([heard.listener.astype(np.int64), heard.version])
    _, first = np.unique(pairs, axis=1, return_index=True)
    commits = np.array([committed[version] for version in heard.version[first].tolist()])
    latencies = np.maximum(heard.at[first] - commits, 0)
    return Report(listeners, len(committed), latencies, len(heard.at) - len(first), heard.ended, memory, stopped_in)


def change(connection: psycopg.Connection, org_id: UUID, rate: float, seconds: float) -> dict[int, float]:
    """Change `rate` bookings a second, one a transaction: version -> the moment when it was committed."""
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
    """One listener: what it hears goes to `heard`, as (listener, moment, versions)."""

    def __init__(self, number: int, heard: list[tuple[int, float, tuple[int, ...]]]) -> None:
        self.number = number
        self.heard = heard
        self.begun = asyncio.get_running_loop().create_future()
        self.has_ended = False
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        at = time.monotonic()
        text = self._rest + data
        end = text.rfind(b"\n") + 1
        self._rest = text[end:]
        if versions := _versions(text[:end]):
            self.heard.append((self.number, at, versions))
        if not self.begun.done() and b"retry:" in text:
            self.begun.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self.has_ended = True


@lru_cache(maxsize=64)
def _versions(text: bytes) -> tuple[int, ...]:
    """Most listeners read the same bytes."""
    return tuple(int(version) for version in VERSION.findall(text))


def _listen(pipe: Connection, port: int, token: str, listeners: int) -> None:
    import uvloop

    uvloop.run(_listen_all(pipe, port, token, listeners))


async def _listen_all(pipe: Connection, port: int, token: str, listeners: int) -> None:
    heard: list[tuple[int, float, tuple[int, ...]]] = []
    loop = asyncio.get_running_loop()
    request = f"GET /v1/events HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    readers = []
    for number in range(listeners):
        transport, reader = await loop.create_connection(partial(_Reader, number, heard), "127.0.0.1", port)
        transport.write(request)
        await reader.begun
        readers.append(reader)
    pipe.send("ready")
    expected: int = await asyncio.to_thread(pipe.recv)
    deadline = time.monotonic() + SETTLE_S
    while sum(len(versions) for _, _, versions in heard) < expected and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
    pipe.send(
        Heard(
            np.array([number for number, _, versions in heard for _ in versions], np.int32),
            np.array([version for _, _, versions in heard for version in versions], np.int64),
            np.array([at for _, at, versions in heard for _ in versions], np.float64),
            sum(reader.has_ended for reader in readers),
        )
    )
    await asyncio.to_thread(pipe.recv)


def main() -> int:
    """Measure, print, and return 0 only if every bar was held."""
    parser = argparse.ArgumentParser(description="From a commit to the event, with many who listen.")
    parser.add_argument("--listeners", type=int, default=500)
    parser.add_argument("--rate", type=float, default=100, help="changes a second")
    parser.add_argument("--seconds", type=float, default=30)
    given = parser.parse_args()
    console = Console()
    with temporary_hub() as settings, console.status("Listening"):
        report = measure(settings, listeners=given.listeners, rate=given.rate, seconds=given.seconds)
    p50, p95, most = (float(np.percentile(report.latencies, percent)) for percent in (50, 95, 100))
    table = Table(title=f"{report.listeners} listeners, {given.rate:.0f} changes a second for {given.seconds:.0f} s")
    for heading in ("p50 s", "p95 s", "max s", "MB before", "MB middle", "MB end", "missed", "repeated", "dropped"):
        table.add_column(heading, justify="right")
    table.add_row(
        f"{p50:.3f}", f"{p95:.3f}", f"{most:.3f}", *(f"{it:.0f}" for it in report.memory_mb), str(report.missed),
        str(report.repeated), str(report.dropped),
    )  # fmt: skip
    console.print(table)
    growth = report.memory_mb[2] - report.memory_mb[1]
    verdicts = (
        (p95 < P95_BAR_S, f"p95 {p95:.2f} s from commit to event (bar: under {P95_BAR_S:.0f} s)"),
        (report.missed == 0 == report.dropped, f"{report.missed} events missed, {report.dropped} dropped (bar: none)"),
        (growth < GROWTH_BAR_MB, f"memory grew by {growth:.1f} MB in the second half (bar: under {GROWTH_BAR_MB:.0f})"),
        (report.stopped_in_s < STOP_BAR_S, f"stopped in {report.stopped_in_s:.1f} s (bar: under {STOP_BAR_S:.0f} s)"),
    )
    for held, said in verdicts:
        console.print(f"[green]held[/] {said}" if held else f"[red]missed[/] {said}")
    return 0 if all(held for held, _ in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
