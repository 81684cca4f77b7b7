"""The digest for a busy owner: its first sentences, what is new, what can wait, and like-for-like comparisons."""

from datetime import timedelta
from typing import Any

import psycopg
import pytest

from notifications.digest import build_digest, digest_html, digest_text
from tests.notifications import warehouse
from tests.notifications.examples import DAY, NOW, ORG, insert_insight
from tests.notifications.test_digest import one_line


def new_insight(connection: psycopg.Connection, **changes: Any) -> None:
    insert_insight(connection, **{"dedupe_key": str(changes), "first_seen": NOW - timedelta(minutes=10), **changes})


def first_paragraphs(connection: psycopg.Connection) -> list[str]:
    """Return the paragraphs before the first section."""
    text = digest_text(build_digest(connection, ORG, DAY))
    above = text.split("\n------", 1)[0].rsplit("\n\n", 1)[0]
    return [" ".join(paragraph.split()) for paragraph in above.split("\n\n")[1:]]


@pytest.fixture
def calm(connection: psycopg.Connection) -> psycopg.Connection:
    """A warehouse with five weeks of figures and no insight."""
    warehouse.build(connection)
    warehouse.fill(connection)
    return connection


def test_three_sentences_say_what_happened_what_comes_and_what_to_do(calm: psycopg.Connection) -> None:
    new_insight(
        calm,
        metric="bookings_created",
        title="Bookings created: 4, 60% fewer than expected",
        value=4,
        expected=10,
        impact=-600,
        drivers=[{"dimension": "service", "member_name": "Massage", "value": 0, "expected": 5, "contribution": -5}],
    )
    assert first_paragraphs(calm) == [
        "Bookings created: 4, 60% fewer than expected, about €600, mostly Massage.",
        "The next 7 days: €6,650 of revenue is forecast, 6% more than in the 7 days before (€6,300); "
        "€1,400 is booked so far.",
        "To do first: Look at the Deluxe Suite's price and availability.",
    ]


def test_a_driver_with_less_than_half_of_the_difference_is_not_named(calm: psycopg.Connection) -> None:
    drivers = [{"dimension": "service", "member_name": "Massage", "value": 0, "expected": 1, "contribution": -1000}]
    new_insight(calm, drivers=drivers)
    assert "Massage" not in first_paragraphs(calm)[0]


def test_low_insights_wait_below_and_raise_no_alarm(calm: psycopg.Connection) -> None:
    new_insight(calm, severity="low", title="A small thing", actions=[], recommendation="Look at it some day.")
    text = one_line(calm)
    assert first_paragraphs(calm)[0].startswith("Nothing unusual: ")
    assert "What can wait ------------- * A small thing Look at it some day." in text
    assert "What needs attention" not in text


def test_what_grew_since_the_previous_digest_is_told_again(calm: psycopg.Connection) -> None:
    long_ago = NOW - timedelta(days=9)
    new_insight(calm, title="Overdue invoices", first_seen=long_ago, worsened_at=NOW - timedelta(minutes=10))
    new_insight(calm, title="Long known", first_seen=long_ago, worsened_at=NOW - timedelta(days=5))
    digest = build_digest(calm, ORG, DAY)
    assert [row["title"] for row in digest.new_insights] == ["Overdue invoices"]
    assert [row["title"] for row in digest.earlier_insights] == ["Long known"]
    assert first_paragraphs(calm)[0].startswith("It grew: Overdue invoices")


def test_a_workload_insight_replaces_the_workload_section(calm: psycopg.Connection) -> None:
    warehouse.overload(calm, "Ada Ito", DAY + timedelta(days=2))
    assert "On some days 1 provider will have more work than hours:" in one_line(calm)
    new_insight(calm, kind="workload", title="Ada Ito will overload")
    assert "Workload of the next 7 days" not in one_line(calm)


def test_a_quiet_day_asks_for_nothing_and_repeats_severe_advice_only(calm: psycopg.Connection) -> None:
    warehouse.overload(calm, "Ada Ito", DAY + timedelta(days=2))
    assert first_paragraphs(calm)[2] == "Nothing needs to be done today."
    long_ago = NOW - timedelta(days=9)
    new_insight(calm, severity="medium", first_seen=long_ago)
    assert first_paragraphs(calm)[2] == "Nothing new needs to be done today."
    new_insight(calm, severity="high", first_seen=long_ago, actions=[], recommendation="Repair the form.")
    assert first_paragraphs(calm)[2] == "To do first: Repair the form."


def test_every_figure_is_compared_with_the_same_days_a_year_before(calm: psycopg.Connection) -> None:
    a_year_ago = DAY - timedelta(days=364)
    warehouse.set_coverage(calm, first_day=a_year_ago - timedelta(days=40))
    calm.execute("update marts.kpi_daily set day = %s", [a_year_ago - timedelta(days=40)])
    calm.execute(
        """
        insert into analytics.v_booking_trends
        select %(org)s, day::date, 9, 7, 2, 900, 700, 600
        from generate_series(%(day)s::date, %(day)s::date + 28, interval '1 day') as day
        """,
        {"org": ORG, "day": a_year_ago},
    )
    text = one_line(calm)
    assert "Bookings created 12, 20% above the usual 10, a year ago 9" in text
    assert "A year ago: the Monday 52 weeks before." in text
    assert "6% more than in the 7 days before (€6,300), 36% more than a year ago (€4,900)" in text
    assert "36% more than a year ago (€19,600)" in text


def test_a_year_before_the_data_begin_is_no_comparison(calm: psycopg.Connection) -> None:
    assert "a year ago" not in one_line(calm)


def test_no_sentence_of_an_insight_is_said_twice_in_its_section(calm: psycopg.Connection) -> None:
    new_insight(calm, recommendation="Call Ana Bell about her two open quotes.")
    section = one_line(calm).split("What needs attention")[1].split("What happened")[0]
    assert section.count("Call Ana Bell about her two open quotes") == 1


def test_an_action_is_one_line_that_is_its_link(calm: psycopg.Connection) -> None:
    new_insight(calm)
    page = digest_html(build_digest(calm, ORG, DAY), link_base="https://hub.example")
    step = "Call Ana Bell about her two open quotes (€1,800)"
    assert f'href="https://hub.example/bookings?client=1" style="color:#1d4ed8;">{step}</a>' in page
    assert page.count("Ana Bell") == 1
