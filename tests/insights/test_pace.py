"""Pace: told where it leaves both the last year and its usual difference from it; with weeks and services."""

from dataclasses import replace
from datetime import date, timedelta
from uuid import uuid4

import psycopg
import pytest
from psycopg.types.json import Jsonb

from insights.narrative import with_texts
from insights.narrative.phrases import NOT_MORE_BOOKINGS
from insights.pace import pace_findings
from tests.insights.conftest import DAY, ORGANIZATION, check_golden, insert, insert_named

MASSAGE, SAUNA = uuid4(), uuid4()


def book(connection: psycopg.Connection, *, now: float, growth: float = 1.1, later: float = 1.0) -> None:
    """Massage of 1,000 and sauna of 500 a week a year ago; `growth` since, and `now` for massage at as_of."""
    insert_named(connection, "dim_service", [(MASSAGE, "Massage"), (SAUNA, "Sauna")])
    insert(
        connection,
        "intermediate.int_booking_pace",
        "weeks_ago service_id week_ahead bookings revenue",
        [
            (ago + 52 * year, service, week, 10, usual * (1 if year else factor) * (1 + 0.02 * (ago % 3)))
            for ago in range(27)
            for year in (0, 1)
            for week in range(1, 14)
            for service, usual in ((MASSAGE, 1000), (SAUNA, 500))
            for factor in [now if not ago and service == MASSAGE and week < 5 else later if not ago else growth]
        ],
    )


def test_a_book_behind_last_year_is_told_with_its_weeks_and_services(tables: psycopg.Connection) -> None:
    book(tables, now=0.5, later=1.1)
    (finding,) = pace_findings(tables, ORGANIZATION) or []
    assert (finding["member"], finding["direction"], finding["severity"]) == ("28", "down", "medium")
    assert finding["value"] == pytest.approx(4 * (500 + 550))
    assert finding["impact"] == pytest.approx(finding["value"] - 6000)
    assert [driver["member_name"] for driver in finding["drivers"]] == ["Massage"]
    (advised,) = with_texts(ORGANIZATION, [{**finding, "overloading": True}])
    assert advised["recommendation"] == NOT_MORE_BOOKINGS
    check_golden("pace_behind", finding)


@pytest.mark.parametrize(("direction", "opens"), [("down", False), ("up", True)])
def test_a_pace_that_was_told_as_an_effect_opens_no_event(
    tables: psycopg.Connection, direction: str, opens: bool
) -> None:
    book(tables, now=0.5, later=1.1)
    day = DAY - timedelta(days=9)
    insert(
        tables, "app.insight_events",
        "kind severity metric dimension member direction day started_on title summary dedupe_key effects "
        "first_seen last_seen",
        [("anomaly", "high", "bookings_cancelled", "total", "all", "up", day, day, "Cancelled", "", "cancelled",
          Jsonb([{"kind": "pace", "direction": direction}]), ORGANIZATION.as_of_at, ORGANIZATION.as_of_at)],
    )  # fmt: skip
    (finding,) = pace_findings(tables, ORGANIZATION) or []
    assert finding["opens"] is opens


def test_a_book_ahead_of_last_year_asks_for_hours(tables: psycopg.Connection) -> None:
    book(tables, now=2.5, later=1.1)
    (finding,) = pace_findings(tables, ORGANIZATION) or []
    assert (finding["direction"], finding["severity"]) == ("up", "low")
    check_golden("pace_ahead", finding)


def test_a_difference_that_is_usual_is_no_news(tables: psycopg.Connection) -> None:
    book(tables, now=1.4, growth=1.4, later=1.4)
    assert pace_findings(tables, ORGANIZATION) == []


def test_a_fall_to_the_last_years_book_is_not_behind_it(tables: psycopg.Connection) -> None:
    book(tables, now=1.0, growth=1.5)
    assert pace_findings(tables, ORGANIZATION) == []


def test_without_a_whole_last_year_nothing_is_compared(tables: psycopg.Connection) -> None:
    book(tables, now=0.5)
    assert pace_findings(tables, replace(ORGANIZATION, first_day=date(2025, 4, 1))) == []
    assert pace_findings(tables, replace(ORGANIZATION, has_ended=True)) is None
    assert pace_findings(tables, replace(ORGANIZATION, book_until=DAY)) is None
