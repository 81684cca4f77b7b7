"""Speed of ingestion relative to the bare binary COPY of the same rows, and its memory.

    python -m bench.ingestion [--rows 1000000]

Works on a server of its own in a temporary folder. Bare COPY and ingestion alternate, so that both run under the same
load of the machine; the ratio is the median of the rounds.
"""

import argparse
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from statistics import median
from typing import Final

import psycopg
from psycopg import Connection, sql
from rich.console import Console
from rich.table import Table

from bench.server import temporary_hub
from dagster_project.ingestion.landing import land
from sources import database
from sources.tables import bookings

ROWS: Final = 1_000_000
ROUNDS: Final = 3
CHANGED: Final = 10_000
RATIO_BAR: Final = 0.6  # of the speed of the bare COPY
MEMORY_BAR_MB: Final = 150.0  # peak of the ingestion process

# The business of the bookings is small, and every column of a booking is filled.
BUSINESS: Final = """
insert into app.organizations (id, org_id, name, slug, timezone, currency)
    select md5('org')::uuid, md5('org')::uuid, 'Bench', 'bench', 'Europe/Madrid', 'EUR';
insert into app.profiles (id, org_id, role, full_name)
    select md5('client' || n)::uuid, md5('org')::uuid, 'client', 'Client ' || n from generate_series(0, 999) as n;
insert into app.services (id, org_id, name, base_price, currency)
    select md5('service' || n)::uuid, md5('org')::uuid, 'Service ' || n, 100, 'EUR' from generate_series(0, 19) as n;
insert into app.service_packages (id, org_id, service_id, name, price, currency)
    select md5('package' || n)::uuid, md5('org')::uuid, md5('service' || n)::uuid, 'Package', 500, 'EUR'
    from generate_series(0, 19) as n;
"""
BOOKINGS: Final = """
insert into app.bookings (org_id, booking_number, client_id, provider_id, service_id, package_id, status, title,
    total_amount, currency, scheduled_start, scheduled_end, progress_pct, completed_at, external_ref, created_at,
    is_exclusive)
select md5('org')::uuid, 'B-' || n, md5('client' || n %% 1000)::uuid, md5('client' || n %% 10)::uuid,
    md5('service' || n %% 20)::uuid, md5('package' || n %% 20)::uuid, 'completed', 'Advice on the matter number ' || n,
    (n %% 90000) / 100.0, 'EUR', at, at + interval '2 hours', 100, at + interval '2 hours', 'EXT-' || n, at, false
from (select n, timestamptz '2024-01-01 09:00Z' + n * interval '1 minute' as at from generate_series(1, %s) as n)
"""


@dataclass(frozen=True)
class Run:
    """One measured load."""

    rows: int
    seconds: float
    memory_mb: float  # peak of the process that ran it

    @property
    def rows_per_second(self) -> float:
        return self.rows / self.seconds


def generate(connection: Connection, rows: int) -> None:
    """Fill app.bookings with `rows` rows in one statement, without triggers and the indexes that no load reads."""
    with connection.transaction():
        connection.execute("set local session_replication_role = replica")
        for index in bookings.indexes:
            if "row_version" not in index.columns:
                connection.execute(sql.SQL("drop index {}").format(sql.Identifier("app", str(index.name))))
        connection.execute(BUSINESS)
        connection.execute(BOOKINGS, [rows])
    connection.execute("vacuum analyze app.bookings")


def bare_copy(source: Connection, target: Connection) -> int:
    """Copy the columns that ingestion reads into an empty table by binary COPY; return the number of rows."""
    columns = sql.SQL(", ").join(sql.Identifier(column.name) for column in bookings.columns if not column.computed)
    target.execute("drop table if exists raw.bare")
    target.execute(sql.SQL("create table raw.bare as select {} from app.bookings with no data").format(columns))
    with source.cursor() as reading, target.cursor() as writing:
        with (
            reading.copy(sql.SQL("copy app.bookings ({}) to stdout (format binary)").format(columns)) as blocks,
            writing.copy("copy raw.bare from stdin (format binary)") as sink,
        ):
            for block in blocks:
                sink.write(block)
        return writing.rowcount


def ingest_bookings(source: Connection, target: Connection) -> int:
    return land(source, target, bookings).rows_read


def measure(load: Callable[[Connection, Connection], int], url: str) -> Run:
    """Run `load` in a process of its own, so that the peak of its memory is its own."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("checkpoint")
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(_timed, load, url).result()


def _timed(load: Callable[[Connection, Connection], int], url: str) -> Run:
    with psycopg.connect(url, autocommit=True) as source, psycopg.connect(url, autocommit=True) as target:
        start = time.perf_counter()
        rows = load(source, target)
        seconds = time.perf_counter() - start
    return Run(rows, seconds, _peak_memory_mb())


def _peak_memory_mb() -> float:
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024  # bytes on macOS, kilobytes on Linux
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def forget(connection: Connection) -> None:
    """Restore the state before the first load."""
    connection.execute("drop table if exists raw.bookings")
    connection.execute("truncate raw.watermarks")


def main() -> int:
    """Measure, print, and return 0 only if every bar is met."""
    parser = argparse.ArgumentParser(
        description="Speed of ingestion relative to the bare binary COPY of the same rows."
    )
    parser.add_argument("--rows", type=int, default=ROWS, help=f"bookings to generate (default {ROWS:,})")
    rows = parser.parse_args().rows
    console = Console()
    with (
        temporary_hub() as settings,
        psycopg.connect(url := database.database_url(settings), autocommit=True) as connection,
    ):
        with console.status(f"Generating {rows:,} bookings"):
            generate(connection, rows)
        copies, ingestions = [], []
        for turn in range(ROUNDS):
            with console.status(f"Round {turn + 1} of {ROUNDS}"):
                copies.append(measure(bare_copy, url))
                forget(connection)
                ingestions.append(measure(ingest_bookings, url))
        with console.status(f"Incremental loads of {CHANGED:,} changed rows and of none"):
            connection.execute(
                "update app.bookings set title = title || ' (changed)' "
                "where id in (select id from app.bookings order by booking_number limit %s)",
                [CHANGED],
            )
            changed, unchanged = measure(ingest_bookings, url), measure(ingest_bookings, url)
    assert [ingestion.rows for ingestion in ingestions] == [rows] * ROUNDS
    assert (changed.rows, unchanged.rows) == (min(CHANGED, rows), 0)
    return report(console, copies, ingestions, changed, unchanged)


def report(console: Console, copies: list[Run], ingestions: list[Run], changed: Run, unchanged: Run) -> int:
    """Print the measurements; return 0 if every bar is met, else 1."""
    table = Table(title=f"Ingestion of {ingestions[0].rows:,} bookings, median of {ROUNDS} rounds")
    for heading in ("load", "rows", "seconds", "rows/s", "client MB"):
        table.add_column(heading, justify="left" if heading == "load" else "right")
    for name, runs in (
        ("bare binary COPY", copies),
        ("ingestion, first load", ingestions),
        ("ingestion, changed rows", [changed]),
        ("ingestion, nothing changed", [unchanged]),
    ):
        speed = median(run.rows_per_second for run in runs)
        table.add_row(
            name,
            f"{runs[0].rows:,}",
            f"{median(run.seconds for run in runs):.2f}",
            f"{speed:,.0f}" if speed else "",
            f"{max(run.memory_mb for run in runs):.0f}",
        )
    console.print(table)
    ratio = median(
        ingestion.rows_per_second / copy.rows_per_second for copy, ingestion in zip(copies, ingestions, strict=True)
    )
    memory = max(run.memory_mb for run in (*ingestions, changed, unchanged))
    bars = (
        (ratio >= RATIO_BAR, f"ingestion at {ratio:.2f} of the bare COPY (bar: {RATIO_BAR} or more)"),
        (memory < MEMORY_BAR_MB, f"client memory {memory:.0f} MB (bar: under {MEMORY_BAR_MB:.0f} MB)"),
    )
    for is_met, sentence in bars:
        console.print(f"[green]met[/] {sentence}" if is_met else f"[red]missed[/] {sentence}")
    return 0 if all(is_met for is_met, _ in bars) else 1


if __name__ == "__main__":
    sys.exit(main())
