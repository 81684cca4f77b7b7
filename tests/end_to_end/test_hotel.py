"""A real hotel through the real commands, compared with a reading of its file that shares no code with the Hub."""

import csv
import gzip
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from cli.example import HOTEL
from sources import embedded_server
from sources.settings import Settings
from tests.conftest import free_port
from tests.end_to_end.test_any_business import ANOMALY_BOUNDS, FORECAST_BOUNDS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

ROOT = Path(__file__).parents[2]
NORMAL, FIRST_WEEKS, LAST = date(2016, 10, 19), date(2015, 7, 20), date(2017, 8, 31)
REALIZED = Decimal("11601850.23")
PERIOD = timedelta(days=30)


@dataclass(frozen=True)
class Stay:
    """A row of the file, read independently: its dates, its outcome and the date of that outcome."""

    booked: date
    arrival: date
    outcome: str
    ended: date
    revenue: Decimal

    def status_on(self, day: date) -> str:
        """Return the status at the end of `day`, which is not before `booked`."""
        return self.outcome if self.ended <= day else "open"


def read_stays() -> list[Stay]:
    with gzip.open(HOTEL, "rt", encoding="utf-8") as file:
        return [_stay(row) for row in csv.DictReader(file)]


def _stay(row: dict[str, str]) -> Stay:
    text = f"{row['arrival_date_day_of_month']} {row['arrival_date_month']} {row['arrival_date_year']}"
    arrival = datetime.strptime(text, "%d %B %Y").date()  # noqa: DTZ007
    outcome = row["reservation_status"]
    status_date = date.fromisoformat(row["reservation_status_date"])
    # Neither a departure nor a no-show is before the day of arrival.
    ended = {"Canceled": status_date, "No-Show": arrival, "Check-Out": max(status_date, arrival)}[outcome]
    nights = int(row["stays_in_weekend_nights"]) + int(row["stays_in_week_nights"])
    return Stay(
        booked=arrival - timedelta(days=int(row["lead_time"])),
        arrival=arrival,
        outcome={"Canceled": "cancelled", "No-Show": "no_show", "Check-Out": "completed"}[outcome],
        ended=ended,
        revenue=Decimal(row["adr"]) * nights,
    )


@dataclass(frozen=True)
class Commands:
    """`hub` as a process of its own, with this environment."""

    environment: dict[str, str]

    def hub(self, *arguments: str) -> str:
        """Run the command, which has to succeed, and return its output."""
        done = subprocess.run(
            [sys.executable, "-m", "cli", *arguments],
            cwd=ROOT,
            env={**os.environ, "COLUMNS": "200", **self.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout


@dataclass(frozen=True)
class Hotel(Commands):
    url: str

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(query.encode()).fetchall()

    def status_counts(self) -> dict[str, int]:
        """Return the number of bookings by status as of the last run; `open` for all that are not closed."""
        rows = self.rows(
            "select case when status_group = 'ongoing' then 'open' else status end, count(*) "
            "from intermediate.int_bookings_as_of group by 1"
        )
        return {str(status): int(str(number)) for status, number in rows}


@pytest.fixture(scope="module")
def hotel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Hotel, str]]:
    """The hotel after `hub example hotel`, and the output of that command."""
    home = tmp_path_factory.mktemp("example")
    first = Commands({"HUB_HOME": str(home), "HUB_DATABASE_URL": "", "HUB_PORT_DATABASE": str(free_port())})
    example = home / "examples" / "hotel"
    try:
        printed = first.hub("example", "hotel")
        exported = dict(re.findall(r"(HUB_[A-Z_]+)=(\S+)", printed))
        assert exported["HUB_HOME"] == str(example), "the user's own Hub is not changed"
        commands = Commands({**first.environment, **exported})
        yield Hotel(commands.environment, commands.hub("db", "url").strip()), printed
    finally:
        embedded_server.stop(Settings(home=example))


@pytest.fixture(scope="module")
def stays() -> list[Stay]:
    return read_stays()


def expected_status_counts(stays: list[Stay], day: date) -> dict[str, int]:
    return dict(Counter(stay.status_on(day) for stay in stays if stay.booked <= day))


def assert_agrees_with_file(hotel: Hotel, stays: list[Stay], day: date) -> None:
    """Assert that the figures of `day`, the day of the last run, are those of the file."""
    expected = expected_status_counts(stays, day)
    assert hotel.status_counts() == expected
    (shown,) = hotel.rows(
        "select pending_now + active_now + at_risk_now + overdue_now, total_bookings, completed, cancelled "
        "from analytics.v_booking_status_metrics"
    )
    cohort = [stay for stay in stays if day - PERIOD < stay.booked <= day]
    made = Counter(stay.status_on(day) for stay in cohort)
    assert shown == (expected["open"], len(cohort), made["completed"], made["cancelled"] + made["no_show"])
    for bounds in (ANOMALY_BOUNDS, FORECAST_BOUNDS):
        for _, series, bound, largest in hotel.rows(bounds):
            assert abs(float(str(bound))) <= 10 * float(str(largest or 0)), (series, bound, largest)


def assert_reads_well(text: str) -> None:
    for word in ("nan", "None", "inf", "null"):
        assert not re.search(rf"\b{word}\b", text), word
    assert "Collected revenue  " not in text, "the file has no payments"
    assert "overload" not in text, "the file has no capacity"


def test_the_file_has_the_measured_rows_and_revenue(stays: list[Stay]) -> None:
    assert len(stays) == 40_060
    assert sum(stay.revenue for stay in stays if stay.outcome == "completed") == REALIZED


def test_the_example_imports_all_rows_and_prints_an_ordinary_day(
    hotel: tuple[Hotel, str], stays: list[Stay], tmp_path: Path
) -> None:
    hub, printed = hotel
    assert "40,060 new, 0 unchanged, 0 rejected" in printed
    assert "Resort Hotel: Wednesday, 19 October 2016" in printed
    assert "CC BY 4.0" in printed
    assert_reads_well(printed.partition("How to read it")[0])
    if hub.rows("select as_of from raw.run_clock") != [(NORMAL,)]:  # another test ran as of another day
        hub.hub("run", "--as-of", NORMAL.isoformat())
    assert_agrees_with_file(hub, stays, NORMAL)
    page = tmp_path / "digest.html"
    hub.hub("digest", "--html", str(page))
    assert "19 October 2016" in page.read_text(encoding="utf-8")


def test_importing_again_adds_nothing(hotel: tuple[Hotel, str]) -> None:
    hub, _ = hotel
    newest = "select max(row_version), count(*) from app.bookings"
    before = hub.rows(newest)
    assert "0 new, 0 changed" in hub.hub("import", "resort_hotel", str(HOTEL))
    assert hub.rows(newest) == before


def test_a_run_in_the_first_weeks_uses_only_earlier_data(hotel: tuple[Hotel, str], stays: list[Stay]) -> None:
    hub, _ = hotel
    hub.hub("run", "--as-of", FIRST_WEEKS.isoformat())
    assert_agrees_with_file(hub, stays, FIRST_WEEKS)
    digest = hub.hub("digest")
    assert "Resort Hotel: Monday, 20 July 2015" in digest
    assert_reads_well(digest)


def test_on_the_last_day_every_day_equals_the_file_to_the_cent(hotel: tuple[Hotel, str], stays: list[Stay]) -> None:
    hub, _ = hotel
    hub.hub("run", "--as-of", LAST.isoformat())
    assert_agrees_with_file(hub, stays, LAST)
    assert_reads_well(hub.hub("digest"))

    days: defaultdict[date, list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 5)
    for stay in stays:
        days[stay.booked][0] += 1
        days[stay.booked][3] += stay.revenue
        if stay.outcome == "completed":
            days[stay.arrival][4] += stay.revenue
            days[stay.ended][1] += 1
        else:
            days[stay.ended][2] += 1
    shown = hub.rows(
        "select day, bookings_created, bookings_completed, bookings_cancelled, booked_revenue, realized_revenue "
        "from analytics.v_booking_trends order by day"
    )
    differing = [(day, *values) for day, *values in shown if values != days[day]]  # type: ignore[index]
    assert differing == []
    assert {day for day, values in days.items() if any(values) and day <= LAST} <= {day for day, *_ in shown}
    assert sum(row[5] for row in shown) == REALIZED  # type: ignore[misc]
