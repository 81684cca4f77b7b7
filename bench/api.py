"""Bench of the API against pgbench, which runs the same statements on the same server in the same run.

    python -m bench.api [--bookings 200000] [--listed 1000000] [--seconds 8]

Uses a separate server in a temporary folder. The statements are recorded from the operations and written as pgbench
scripts, so that both always run the same. HTTP and pgbench take turns; ratios are medians.
"""

import argparse
import asyncio
import json
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any, Final
from uuid import UUID

import asyncpg
import jwt
import psycopg
from psycopg import sql
from rich.console import Console
from rich.table import Table

from bench import http_load
from bench.many_bookings import fill
from bench.server import serving, temporary_hub
from sources import database, embedded_server
from sources.operations import transaction
from sources.operations.bookings import booking
from sources.operations.bookings.booking import NewBooking
from sources.operations.transaction import Person, Tx
from sources.settings import Settings

ROUNDS: Final = 3
CLIENTS: Final = 50
WORKERS: Final = 2
LISTING: Final = 2  # concurrent clients of lists: one per core, so that no waiting time is measured
CONNECTIONS: Final = 4  # of the API in all, and of pgbench: more than two per core wait for each other
SCRIPTS: Final = 4  # few, so that pgbench has soon planned each statement
READ: Final = 1_000  # different bookings
CREATE_MIN: Final = 0.20  # of pgbench's rate
READ_MIN: Final = 0.15
P95_MAX_MS: Final = 100.0
SLOTS_PER_ROUND: Final = 6_000  # for each connection of pgbench
SLOT: Final = timedelta(hours=4)  # twice the length of a booking, so that a start differs from every end
RECORDED_SLOTS: Final = datetime(2029, 1, 1, tzinfo=UTC)  # of the recorded transactions
FIRST_SLOT: Final = datetime(2030, 1, 1, tzinfo=UTC)  # of all others

# A recorded proof counts in its own session only: it is verified at the same cost, and counts anywhere.
REPLAYED_PROOFS: Final = """
create or replace function app.check_proof(p_proof bytea, p_what text) returns bigint
language plpgsql security definer set search_path = app, pg_temp as $$
declare
    proven bytea := convert_to(format('%s/%s/%s', pg_backend_pid(), p_proof, p_what), 'UTF8');
begin
    if (p_proof = (select sha256(outer_key || sha256(inner_key || proven)) from app.entry_keys)) is null then
        raise exception 'no key';
    end if;
    return nextval('app.challenges');
end $$
"""


@dataclass
class Bench:
    """A server with an organisation of many bookings, and the API in front of it."""

    settings: Settings
    org_id: UUID
    admin: UUID
    clients: list[UUID]
    providers: list[UUID]
    services: list[UUID]
    booking_ids: list[UUID] = field(default_factory=list)
    slots: int = 0

    @property
    def port(self) -> int:
        return self.settings.port_api

    @property
    def token(self) -> str:
        claims = {
            "sub": str(self.admin),
            "org_id": str(self.org_id),
            "aud": self.settings.jwt_audience,
            "exp": int(time.time()) + 86_400,
        }
        return jwt.encode(claims, self.settings.secret("jwt_secret"), "HS256")

    def next_slot(self) -> datetime:
        """Return the start of a free slot."""
        self.slots += 1
        return FIRST_SLOT + self.slots * SLOT


def main() -> int:
    """Measure and print; return 0 only if every limit is met."""
    parser = argparse.ArgumentParser(description="The API against pgbench with the same statements.")
    parser.add_argument("--bookings", type=int, default=200_000, help="in the organisation for reads and writes")
    parser.add_argument("--listed", type=int, default=1_000_000, help="in the organisation for lists (0: none)")
    parser.add_argument("--seconds", type=float, default=8.0, help="of each round")
    arguments = parser.parse_args()
    console = Console()
    with temporary_hub(api_workers=WORKERS, api_pool_size=CONNECTIONS // WORKERS) as settings:
        with console.status(f"Creating {arguments.bookings:,} bookings"):
            bench = make_business(settings, "bench", arguments.bookings)
        with psycopg.connect(database.database_url(settings)) as connection:
            connection.execute(REPLAYED_PROOFS)
        with serving(settings):
            seconds = arguments.seconds
            met = [
                compare(console, bench, "Reading bookings", read_requests, read_once, READ_MIN, seconds),
                compare(console, bench, "Creating bookings", create_requests, create_once, CREATE_MIN, seconds),
            ]
            if arguments.listed:
                with console.status(f"Creating {arguments.listed:,} bookings"):
                    listed = make_business(settings, "listed", arguments.listed)
                met.append(lists(console, listed, seconds))
    return 0 if all(met) else 1


def make_business(settings: Settings, slug: str, count: int) -> Bench:
    """Create an organisation with `count` bookings."""
    with psycopg.connect(database.database_url(settings), autocommit=True) as connection:
        org_id = connection.execute(
            "insert into app.organizations (id, org_id, name, slug, timezone, currency) "
            "select i, i, %s, %s, 'UTC', 'EUR' from uuidv7() as i returning id", [slug, slug],
        ).fetchall()[0][0]  # fmt: skip
        fill(connection, org_id, count)

        def ids(query: str) -> list[UUID]:
            return [row[0] for row in connection.execute(query.encode(), [org_id])]

        people = "select id from app.profiles where org_id = %s and role = "
        return Bench(
            settings, org_id, ids(f"{people} 'admin'")[0], ids(f"{people} 'client' limit 100"),
            ids(f"{people} 'provider'"),
            ids("select id from app.services where org_id = %s"),
            ids("select id from app.bookings where org_id = %s order by md5(id::text)")[:READ],
        )  # fmt: skip


def compare(
    console: Console, bench: Bench, title: str, make_requests: Callable[[Bench], list[bytes]],
    operate: Callable[[Bench, Tx, int], Any], minimum: float, seconds: float,
) -> bool:  # fmt: skip
    """Run HTTP and pgbench in turns and print both; return True if every limit is met."""
    with tempfile.TemporaryDirectory() as folder:
        scripts = asyncio.run(record(bench, operate, Path(folder)))
        loads, rates = [], []
        for turn in range(ROUNDS):
            with console.status(f"{title}: round {turn + 1} of {ROUNDS}"):
                loads.append(http_load.run(bench.port, make_requests(bench), CLIENTS, seconds))
                rates.append(pgbench(bench.settings, scripts, seconds, turn))
    ratio = median(load.rate / rate for load, rate in zip(loads, rates, strict=True))
    p95 = median(load.percentile_ms(95) for load in loads)
    failed = sum(count for load in loads for status, count in load.statuses.items() if status >= 400)
    table = Table(title=f"{title}, {CLIENTS} clients, median of {ROUNDS} rounds")
    for name in ("HTTP per second", "pgbench per second", "ratio", "minimum", "p50 ms", "p95 ms", "p99 ms", "errors"):
        table.add_column(name, justify="right")
    table.add_row(
        f"{median(load.rate for load in loads):,.0f}", f"{median(rates):,.0f}", f"{ratio:.2f}", f"{minimum:.2f}",
        f"{median(load.percentile_ms(50) for load in loads):.0f}", f"{p95:.0f}",
        f"{median(load.percentile_ms(99) for load in loads):.0f}", str(failed),
    )  # fmt: skip
    console.print(table)
    return ratio >= minimum and p95 <= P95_MAX_MS and failed == 0


def read_requests(bench: Bench) -> list[bytes]:
    return [http_load.request("GET", f"/v1/bookings/{booking_id}", bench.token) for booking_id in bench.booking_ids]


async def read_once(bench: Bench, tx: Tx, turn: int) -> None:
    await booking.get_booking(tx, bench.booking_ids[turn])


def create_requests(bench: Bench) -> list[bytes]:
    token = bench.token
    bodies = (new_booking(bench, turn).model_dump_json(exclude_none=True).encode() for turn in range(20_000))
    return [http_load.request("POST", "/v1/bookings", token, body) for body in bodies]


def new_booking(bench: Bench, turn: int) -> NewBooking:
    return NewBooking(
        service_id=bench.services[turn % len(bench.services)], client_id=bench.clients[turn % len(bench.clients)],
        provider_id=bench.providers[0], scheduled_start=bench.next_slot(), notes="From the bench",
    )  # fmt: skip


async def create_once(bench: Bench, tx: Tx, turn: int) -> None:
    request = new_booking(bench, turn)
    request.provider_id = bench.providers[1]  # the other slots of this provider are for pgbench
    request.scheduled_start = RECORDED_SLOTS + turn * SLOT
    await booking.create_booking(tx, request)


async def record(bench: Bench, operate: Callable[[Bench, Tx, int], Any], folder: Path) -> list[Path]:
    """Record the statements of SCRIPTS transactions of an operation; return each as a pgbench script."""
    pool = await transaction.make_pool(database.api_url(bench.settings), 1, bench.settings.secret("api_entry_secret"))
    try:
        scripts = []
        for turn in range(SCRIPTS):
            recorded: list[tuple[str, tuple[object, ...]]] = []

            def log(record: asyncpg.connection.LoggedQuery, into: list[Any] = recorded) -> None:
                if "app.challenge()" not in record.query:  # asked for once by a connection
                    into.append((record.query, tuple(record.args or ())))

            async with pool.acquire() as connection:
                connection.add_query_logger(log)

                async def operate_once(tx: Tx, turn: int = turn) -> None:
                    await operate(bench, tx, turn)

            await transaction.run(
                pool, Person(bench.org_id, bench.admin), operate_once, at=datetime.now(UTC), timeout_ms=8000
            )
            async with pool.acquire() as connection:
                connection.remove_query_logger(log)
            scripts.append(folder / f"{turn}.sql")
            scripts[-1].write_text(as_script(recorded))
        return scripts
    finally:
        await pool.close()


def as_script(statements: list[tuple[str, tuple[object, ...]]]) -> str:
    """Return the pgbench script of recorded statements.

    No slot is taken twice: each start is replaced by one that no other transaction of this run has. The id that the
    server assigns to a booking is passed to the later statements.
    """
    lines = ["\\set n :n + 1", f"\\set slot :client_id * {ROUNDS * SLOTS_PER_ROUND} + :n"]
    for statement, values in statements:
        literals = [_literal(value) for value in values]
        text = re.sub(r"\$(\d+)", lambda match, by=literals: by[int(match[1]) - 1], statement)  # type: ignore[misc]
        is_insert = "insert into app.bookings" in text
        lines.append(" ".join(text.split()) + (" \\gset created_" if is_insert else ";"))
    script = "\n".join(lines)
    created = re.search(
        r"insert into app\.booking_status_history.*?values \('[0-9a-f-]+'::uuid, ('[0-9a-f-]+'::uuid)", script
    )
    return script.replace(created[1], ":created_id::uuid") if created else script


def _literal(value: object) -> str:
    if isinstance(value, datetime) and value >= RECORDED_SLOTS:
        first = FIRST_SLOT + (value - RECORDED_SLOTS) % SLOT
        return f"('{first.isoformat()}'::timestamptz + :slot::int * interval '{SLOT.seconds} seconds')"
    return sql.Literal(list(value) if isinstance(value, tuple) else value).as_string(None)


def pgbench(settings: Settings, scripts: list[Path], seconds: float, turn: int) -> float:
    """Return the transactions per second of the scripts, as the API's role, over as many connections as the API has."""
    arguments = [argument for script in scripts for argument in ("-f", str(script))]
    finished = subprocess.run(
        [
            str(embedded_server.BIN / "pgbench"), "--no-vacuum", "--protocol=prepared", "--jobs=2",
            f"--client={CONNECTIONS}",
            f"--time={round(seconds)}", f"--define=n={turn * SLOTS_PER_ROUND}", *arguments, database.api_url(settings),
        ],
        capture_output=True, text=True, check=False,
        env={**os.environ, "PGOPTIONS": "-c plan_cache_mode=force_generic_plan"},  # like the API's connections
    )  # fmt: skip
    found = re.search(r"^tps = ([\d.]+)", finished.stdout, re.M)
    if not found or "aborted" in finished.stderr:
        raise RuntimeError(f"pgbench failed: {finished.stderr[-2000:]}")
    return float(found[1])


def lists(console: Console, bench: Bench, seconds: float) -> bool:
    """Measure lists with each filter and order, and searches: p95 of each, one client per core."""
    table = Table(title=f"Lists and searches, {LISTING} clients")
    for name in ("query", "p50 ms", "p95 ms", "responses"):
        table.add_column(name, justify="left" if name == "query" else "right")
    slowest = 0.0
    for query in list_queries(bench):
        load = http_load.run(
            bench.port, [http_load.request("GET", f"/v1/bookings?{query}", bench.token)], LISTING, max(2.0, seconds / 3)
        )
        slowest = max(slowest, load.percentile_ms(95))
        statuses = json.dumps({str(status): count for status, count in load.statuses.items()})
        table.add_row(query, f"{load.percentile_ms(50):.1f}", f"{load.percentile_ms(95):.1f}", statuses)
    console.print(table)
    return slowest <= P95_MAX_MS


def list_queries(bench: Bench) -> list[str]:
    """Return queries with every filter alone, in its slowest orders, and some combinations."""
    return [
        "limit=50",
        "sort=scheduled_start",
        "sort=-total_amount",
        "status=disputed&sort=total_amount",
        "status=requested&status=quoted",
        "status=completed&sort=-scheduled_start",
        f"service_id={bench.services[0]}&sort=-total_amount",
        f"provider_id={bench.providers[-1]}&sort=created_at",
        f"client_id={bench.clients[0]}",
        "created_from=2025-01-01T00:00:00Z&created_to=2025-01-02T00:00:00Z&sort=total_amount",
        "scheduled_from=2025-03-01T00:00:00Z&scheduled_to=2025-03-02T00:00:00Z",
        "amount_min=3400&sort=created_at",
        "amount_min=100&amount_max=101&status=cancelled",
        "q=session",
        "q=disc",
        "q=nobodyhasthisname",
        "q=BK-2025-5400001",
        "q=session&status=disputed",
    ]


if __name__ == "__main__":
    raise SystemExit(main())
