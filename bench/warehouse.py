"""Bench of what BI tools read: every view and function of schema analytics, as a login of one of two organisations.

    python -m bench.warehouse [--bookings 20000] [--here]

Uses a separate server in a temporary folder, with the sample business after one run; with --here the Hub of the
environment (HUB_HOME), which has had a run. The limit in milliseconds is that of DESIGN's bars; the ratio beside it is
to the time of reading as many rows of fct_bookings by its key in the same run, which the machine's speed cancels from.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Final, NamedTuple
from uuid import UUID

import numpy as np
import psycopg
from psycopg import sql
from rich.console import Console
from rich.table import Table

from bench.server import temporary_hub
from sources import bi_access, database
from sources.settings import Settings, get_settings

LOGIN: Final = "bench_warehouse"
SLUG: Final = "harbor-and-pine"
DAYS: Final = 730
CALLS: Final = 20
LIMIT_MS: Final = 50.0
ROWS: Final = 1_000  # at most, of a result
PAGE: Final = 100
PAGED: Final = ("bookings_full_view", "v_booking_status")  # with a row for each booking
# The calls of each function: what the call is about, and the arguments beside the organisation.
PERIOD: Final = "%(first)s, %(last)s"
CALLED: Final[dict[str, dict[str, str]]] = {
    "get_booking_trends": {"by day": f", {PERIOD}, 'day'"},
    "get_revenue_by_status": {"a year": f", {PERIOD}"},
    "get_completion_analytics": {"by month": f", {PERIOD}, 'month'"},
    "get_service_performance": {"a year": f", {PERIOD}"},
    "detect_anomalies": {"a year": f", {PERIOD}"},
    "forecast_revenue": {"": ""},
    "get_latest_insights": {"": ""},
    "get_dashboard_kpis": {"a month": ", date_trunc('month', %(last)s::date)::date, %(last)s"},
    "get_metric_series": {
        f"{metric} by service": f", '{metric}', 'service', 'month', {PERIOD}"
        for metric in ("booked_revenue", "cancellation_rate", "median_lead_time", "booking_clients")  # one of each kind
    },
}
VIEWS: Final = """
select relname from pg_class where relnamespace = 'analytics'::regnamespace and relkind = 'v' order by 1
"""
FUNCTIONS: Final = """
select proname from pg_proc
where pronamespace = 'analytics'::regnamespace and provolatile = 's' and has_function_privilege(oid, 'execute')
order by 1
"""


class Reading(NamedTuple):
    """A query for the bench."""

    name: str
    query: sql.Composed


class Result(NamedTuple):
    """What a query took."""

    name: str
    rows: int
    milliseconds: list[float]


def main() -> None:
    """Measure, print, and exit with 1 where a limit is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bookings", type=int, default=20_000)
    parser.add_argument("--here", action="store_true", help="measure the Hub of the environment")
    options = parser.parse_args()
    if options.here:
        settings = get_settings()
        database.start(settings)
        sys.exit(0 if _measured(settings) else 1)
    with temporary_hub(smtp_url="") as settings:
        for command in (["sample", "--bookings", str(options.bookings), "--days", str(DAYS)], ["run"]):
            _hub(settings, *command)
        is_fast = _measured(settings)
    sys.exit(0 if is_fast else 1)


def _hub(settings: Settings, *command: str) -> None:
    environment = {
        **os.environ,
        "HUB_HOME": str(settings.home),
        "HUB_DATABASE_URL": database.database_url(settings),
        "OMP_NUM_THREADS": "1",
    }
    subprocess.run([sys.executable, "-m", "cli", *command], env=environment, check=True, stdout=subprocess.DEVNULL)


def _measured(settings: Settings) -> bool:
    """Print the measurements; return True if no limit is exceeded."""
    with psycopg.connect(database.database_url(settings)) as owner:
        row = owner.execute("select org_id, as_of from marts.dim_organization where slug = %s", [SLUG]).fetchone()
        assert row is not None
    org_id, as_of = row
    with _login(settings, org_id) as reader:
        results = [_timed(reader, each, org_id, as_of) for each in _readings(reader)]
    return _print(results, limits={result.rows: _limit(settings, result.rows, org_id, as_of) for result in results})


@contextmanager
def _login(settings: Settings, org_id: UUID) -> Iterator[psycopg.Connection]:
    """Yield a connection of a BI login of the organisation, which is revoked afterwards."""
    with psycopg.connect(database.database_url(settings)) as owner:
        password = bi_access.add(owner, LOGIN, [org_id])
    try:
        assert password is not None
        with psycopg.connect(database.url_of(settings, LOGIN, password), autocommit=True) as reader:
            yield reader
    finally:
        with psycopg.connect(database.database_url(settings)) as owner:
            bi_access.revoke(owner, LOGIN)


def _readings(reader: psycopg.Connection) -> Iterator[Reading]:
    for (view,) in reader.execute(VIEWS).fetchall():
        of_page = sql.SQL("order by created_at desc limit {}").format(PAGE)
        of_all = sql.SQL("limit {}").format(ROWS)
        yield Reading(
            view,
            sql.SQL("select * from analytics.{} {}").format(sql.Identifier(view), of_page if view in PAGED else of_all),
        )
    for (function,) in reader.execute(FUNCTIONS).fetchall():
        for about, arguments in CALLED[function].items():
            call = sql.SQL("select * from analytics.{}(%(org_id)s{}) limit {}").format(
                sql.Identifier(function), sql.SQL(arguments), ROWS
            )
            yield Reading(f"{function} {about}", call)


def _timed(reader: psycopg.Connection, reading: Reading, org_id: UUID, as_of: date) -> Result:
    """Return what CALLS calls took, after one that is not counted."""
    given = {"org_id": org_id, "first": as_of - timedelta(days=364), "last": as_of}
    times, rows = [], 0
    for _ in range(CALLS + 1):
        began = time.perf_counter()
        rows = len(reader.execute(reading.query, given).fetchall())
        times.append((time.perf_counter() - began) * 1000)
    return Result(reading.name, rows, times[1:])


def _limit(settings: Settings, rows: int, org_id: UUID, as_of: date) -> float:
    """Return the median milliseconds of reading so many rows of a fact by its key."""
    with psycopg.connect(database.database_url(settings), autocommit=True) as owner:
        reading = Reading(
            "",
            sql.SQL("select * from marts.fct_bookings where org_id = %(org_id)s order by booking_id limit {}").format(
                rows
            ),
        )
        return float(np.median(_timed(owner, reading, org_id, as_of).milliseconds))


def _print(results: list[Result], limits: dict[int, float]) -> bool:
    table = Table("View or function", "rows", "p50 ms", "p95 ms", "limit", "p95 / by key")
    is_fast = True
    for result in results:
        middle, high = np.percentile(result.milliseconds, [50, 95])
        is_fast &= bool(high <= LIMIT_MS)
        table.add_row(
            result.name, f"{result.rows:,}", f"{middle:.1f}", f"{high:.1f}", f"{LIMIT_MS:.0f}",
            f"{high / limits[result.rows]:.0f}", style="" if high <= LIMIT_MS else "red",
        )  # fmt: skip
    Console().print(table)
    return is_fast


if __name__ == "__main__":
    main()
