"""How fast an import is beside the bare COPY of the same rows into the same tables, and what memory it takes.

    python -m bench.importing [--rows 1000000]

Works on a server of its own in a temporary folder. The COPY fills the same empty tables, with their indexes, checks and
triggers; its rows are those that the import has made. Then the same file is imported again, and a changed one.
"""

import argparse
import random
import resource
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql
from rich.console import Console
from rich.table import Table

from bench.server import temporary_hub
from sources import database
from sources.importing import find_mapping, import_files
from sources.settings import Settings

ROWS: Final = 1_000_000
CHANGED_SHARE: Final = 0.01  # of the rows, in the second file
RATIO_BAR: Final = 0.25  # of the speed of the bare COPY
MEMORY_BAR_MB: Final = 300.0  # peak of the importing process
TABLES: Final = ("organizations", "services", "profiles", "bookings", "booking_status_history")
CLIENTS_PER_ROW: Final = 1 / 50
BEGIN: Final = datetime(2020, 1, 6, tzinfo=UTC)
SEED: Final = 7


@dataclass(frozen=True)
class Run:
    """One measured load: its seconds, and the peak memory of the process that ran it."""

    seconds: float
    memory_mb: float
    outcome: str


def write_export(path: Path, rows: int, changed_share: float = 0.0) -> None:
    """Write a CSV of the shape of the mapping simple_bookings; a share of its amounts is another."""
    given, changes = random.Random(SEED), random.Random(SEED)
    with path.open("w", encoding="utf-8") as file:
        file.write("number,client,email,service,provider,status,amount,booked,start,end,closed\n")
        for n in range(rows):
            client, booked = given.randrange(int(rows * CLIENTS_PER_ROW) + 1), BEGIN + timedelta(minutes=n)
            start = booked.replace(hour=9, minute=0) + timedelta(days=given.randrange(60), hours=given.randrange(8))
            status = given.choice(("Done", "Done", "Done", "Confirmed", "Cancelled"))
            closed = f"{start:%Y-%m-%d}" if status != "Confirmed" else ""
            amount = given.randrange(1_000, 90_000) + (changes.random() < changed_share)
            file.write(
                f"B-{n},Client {client},client{client}@example.org,Service {n % 20},Provider {n % 40},{status},"
                f'"{amount / 100:,.2f}",{booked:%Y-%m-%d},{start:%Y-%m-%d %H:%M},{start:%Y-%m-%d} 18:00,{closed}\n'
            )


def import_export(settings: Settings, export: Path) -> str:
    """Import and say what became of the bookings."""
    report = import_files(settings, find_mapping("simple_bookings"), [export], as_of_now=datetime.now(UTC))
    counts = report.records["booking"]
    return f"{counts.new:,} new, {counts.changed:,} changed, {counts.same:,} the same, {counts.rejected:,} rejected"


def copy_back(settings: Settings, folder: Path) -> str:
    """Fill the empty tables from the files that `save` wrote, by binary COPY."""
    with psycopg.connect(database.database_url(settings), autocommit=True) as connection:
        for table in TABLES:
            with (
                (folder / table).open("rb") as file,
                connection.cursor().copy(_copy_statement(connection, table, "from stdin")) as copy,
            ):
                while block := file.read(1 << 20):
                    copy.write(block)
            connection.execute(sql.SQL("analyze app.{}").format(sql.Identifier(table)))
    return ", ".join(TABLES)


def save(settings: Settings, folder: Path) -> None:
    """Write the rows of the tables to files, and empty the tables."""
    with psycopg.connect(database.database_url(settings), autocommit=True) as connection:
        for table in TABLES:
            with (
                (folder / table).open("wb") as file,
                connection.cursor().copy(_copy_statement(connection, table, "to stdout")) as copy,
            ):
                for block in copy:
                    file.write(block)
        connection.execute("truncate app.organizations cascade")
        connection.execute("truncate app.live_changes, app.import_records")
        connection.execute("vacuum")


def _copy_statement(connection: psycopg.Connection, table: str, direction: str) -> sql.Composed:
    columns = connection.execute(
        "select attname from pg_attribute where attrelid = to_regclass('app.' || %s) and attnum > 0 "
        "and not attisdropped and attgenerated = '' order by attnum",
        [table],
    ).fetchall()
    listed = sql.SQL(", ").join(sql.Identifier(name) for (name,) in columns)
    form: Any = "copy app.{} ({}) " + direction + " (format binary)"
    return sql.SQL(form).format(sql.Identifier(table), listed)


def measure(work: Callable[[Settings, Path], str], settings: Settings, path: Path) -> Run:
    """Run `work` in a process of its own, so that the peak of its memory is its own."""
    with psycopg.connect(database.database_url(settings), autocommit=True) as connection:
        connection.execute("checkpoint")
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(_timed, work, settings, path).result()


def _timed(work: Callable[[Settings, Path], str], settings: Settings, path: Path) -> Run:
    began = time.perf_counter()
    outcome = work(settings, path)
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024  # bytes there, kilobytes on Linux
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    return Run(time.perf_counter() - began, memory, outcome)


@contextmanager
def _exports(folder: Path, rows: int) -> Iterator[tuple[Path, Path]]:
    first, second = folder / "bookings.csv", folder / "newer.csv"
    write_export(first, rows)
    write_export(second, rows, CHANGED_SHARE)
    yield first, second


def main() -> int:
    """Measure, print, and return 0 only if every bar was held."""
    parser = argparse.ArgumentParser(description="An import beside the bare COPY of the same rows.")
    parser.add_argument("--rows", type=int, default=ROWS, help=f"rows of the file (default {ROWS:,})")
    rows = parser.parse_args().rows
    console = Console()
    with temporary_hub() as settings, _exports(settings.home, rows) as (first, second):
        saved = settings.home / "saved"
        saved.mkdir()
        with console.status(f"Importing {rows:,} rows"):
            imported = measure(import_export, settings, first)
        with console.status("Copying the same rows into the same tables"):
            save(settings, saved)
            copied = measure(copy_back, settings, saved)
        with console.status("Importing the same file, and one that is partly changed"):
            adopted = measure(import_export, settings, first)
            again = measure(import_export, settings, first)
            changed = measure(import_export, settings, second)
    table = Table("load", "seconds", "rows/s", "client MB", "what became of the rows", title=f"{rows:,} rows of CSV")
    for name, run in (
        ("bare COPY", copied),
        ("import", imported),
        ("import, rows known without a record", adopted),
        ("import, the same file", again),
        ("import, a changed file", changed),
    ):
        speed = f"{rows / run.seconds:,.0f}"
        table.add_row(name, f"{run.seconds:.1f}", speed, f"{run.memory_mb:.0f}", run.outcome)
    console.print(table)
    ratio, memory = copied.seconds / imported.seconds, max(run.memory_mb for run in (imported, again, changed))
    verdicts = (
        (ratio >= RATIO_BAR, f"import at {ratio:.2f} of the bare COPY (bar: {RATIO_BAR} or more)"),
        (memory < MEMORY_BAR_MB, f"client memory {memory:.0f} MB (bar: under {MEMORY_BAR_MB:.0f} MB)"),
    )
    for held, sentence in verdicts:
        console.print(f"[green]held[/] {sentence}" if held else f"[red]missed[/] {sentence}")
    return 0 if all(held for held, _ in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
