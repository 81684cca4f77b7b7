"""The digest: its text, the same text for a repeat, and its text where data are missing."""

import os
import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from ml.forecasting import HORIZON_DAYS
from notifications import delivery_ledger
from notifications.channel_admin import add_channel
from notifications.digest import build_digest, digest_html, digest_message, digest_text
from notifications.digest.facts import Outlook
from notifications.digest.queries import HORIZONS
from notifications.formats import slack as slack_format
from notifications.messages import Facts, Plot
from notifications.sending import deliver_due
from sources.database import records
from sources.errors import HubError
from sources.settings import Settings
from tests.notifications import warehouse
from tests.notifications.conftest import Clock
from tests.notifications.examples import DAY, INSIGHT, NOW, ORG, OTHER_ORG, insert_insight
from tests.notifications.servers import MailServer
from tests.notifications.test_formats import Page

GOLDEN = Path(__file__).parent / "golden" / "digest.txt"
NEXT_DAY = DAY + timedelta(days=1)


@pytest.fixture
def filled(connection: psycopg.Connection) -> psycopg.Connection:
    """A warehouse with five weeks of figures, and insights in every state."""
    warehouse.build(connection)
    warehouse.fill(connection)
    seen = NOW - timedelta(minutes=10)
    insert_insight(connection, id=INSIGHT, first_seen=seen)
    insert_insight(connection, severity="high", impact=-90, title="Less", dedupe_key="b", first_seen=seen)
    insert_insight(connection, severity="high", impact=1900, title="More", dedupe_key="c", first_seen=seen)
    insert_insight(connection, status="dismissed", title="Dismissed", dedupe_key="d", first_seen=seen)
    insert_insight(
        connection,
        status="resolved",
        resolved_at=seen,
        title="Over",
        dedupe_key="e",
        first_seen=NOW - timedelta(days=3),
    )
    warehouse.overload(connection, "Ada <b>Ito</b>", DAY + timedelta(days=3))
    warehouse.overload(connection, "Ada <b>Ito</b>", DAY + timedelta(days=2))
    warehouse.overload(connection, "Healthy", DAY + timedelta(days=2), will_overload=False)
    warehouse.overload(connection, "Later", DAY + timedelta(days=8))
    warehouse.insert_accuracy(connection, DAY)
    return connection


def one_line(connection: psycopg.Connection) -> str:
    """Return the digest of DAY as text on one line."""
    return " ".join(digest_text(build_digest(connection, ORG, DAY)).split())


def test_figures_are_written_as_the_organisation_chooses(filled: psycopg.Connection) -> None:
    def amounts() -> str:
        blocks = digest_message(build_digest(filled, ORG, DAY), link_base="").blocks
        return " ".join(value for block in blocks if isinstance(block, Facts) for _, value in block.items)

    assert re.search(r"€\d", amounts())
    filled.execute("update raw.organizations set locale = 'de_DE'")
    assert re.search(r"\d\s€", amounts())
    assert not re.search(r"€\d", amounts())


def test_digest_text_is_as_in_the_golden_file(filled: psycopg.Connection) -> None:
    text = digest_text(build_digest(filled, ORG, DAY), link_base="http://127.0.0.1:3000")
    if os.environ.get("HUB_GOLDEN") == "write":
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()


def test_figures_of_the_digest(filled: psycopg.Connection) -> None:
    digest = build_digest(filled, ORG, DAY)
    by_metric = {key.metric.label: (key.value, key.usual) for key in digest.key_figures}
    assert by_metric["Bookings created"] == (Decimal(12), Decimal(10))
    assert by_metric["Booked revenue"] == (Decimal(500), Decimal(1000))
    week, month = digest.outlooks
    assert week == Outlook(7, Decimal(6650), Decimal(6300), Decimal(7000), Decimal(1400), before=Decimal(6300))
    assert month == Outlook(28, Decimal(26600), Decimal(25200), Decimal(28000), Decimal(1400), before=Decimal(25200))
    assert [row["title"] for row in digest.new_insights] == ["Booked revenue fell by half", "Less", "More"]
    assert [row["title"] for row in digest.resolved_insights] == ["Over"]
    (overload,) = digest.overloads
    assert (overload["days"], overload["first_day"], overload["booked_hours"]) == (2, DAY + timedelta(days=2), 22)
    assert digest.plot
    assert len(digest.plot.days) == 56


def test_horizons_are_those_of_the_models() -> None:
    assert max(HORIZONS) == HORIZON_DAYS


def test_digest_html_is_one_valid_page(filled: psycopg.Connection) -> None:
    page = Page(digest_html(build_digest(filled, ORG, DAY)))
    assert "b" not in page.seen
    assert "Ada <b>Ito</b>" in page.words
    sources = [value for name, value in page.attributes if name == "src"]
    assert [source[:22] for source in sources] == ["data:image/png;base64,"]


def test_digest_fits_slack(filled: psycopg.Connection) -> None:
    for n in range(60):
        insert_insight(filled, dedupe_key=f"many {n}", first_seen=NOW)
    blocks = slack_format.render(digest_message(build_digest(filled, ORG, DAY), link_base="http://h"))["blocks"]
    assert len(blocks) <= 50
    assert "And 55 more" in str(blocks)


def test_a_repeat_has_the_same_facts(filled: psycopg.Connection) -> None:
    add_channel(filled, ORG, name="owners", kind="email", target="a@b.org")
    delivery_ledger.enqueue_digests(filled, ORG, DAY, now=NOW)
    first = build_digest(filled, ORG, DAY)

    # The next day: another digest, a new insight, one resolved, newer figures and forecasts.
    delivery_ledger.enqueue_digests(filled, ORG, NEXT_DAY, now=NOW + timedelta(days=1))
    insert_insight(filled, title="New", dedupe_key="new", first_seen=NOW + timedelta(hours=1))
    filled.execute(
        "update app.insight_events set status = 'resolved', resolved_at = %s where title = 'Less'",
        [NOW + timedelta(hours=2)],
    )
    filled.execute("insert into analytics.v_booking_trends values (%s, %s, 1, 1, 1, 1, 1, 1)", [ORG, NEXT_DAY])
    warehouse.forecast(filled, NEXT_DAY, per_day=100)
    assert build_digest(filled, ORG, DAY) == first

    following = build_digest(filled, ORG, NEXT_DAY)
    assert {row["title"] for row in following.resolved_insights} == {"Less"}
    assert "New" in {row["title"] for row in following.new_insights}
    assert {row["title"] for row in following.earlier_insights} == {"Booked revenue fell by half", "More"}


def test_facts_of_the_newest_day_are_left_out_of_an_older_digest(filled: psycopg.Connection) -> None:
    warehouse.set_statuses(filled, NEXT_DAY)
    digest = build_digest(filled, ORG, DAY)
    assert (digest.statuses, digest.overloads, digest.accuracy) == (None, (), None)
    assert "Available for the newest day" in digest_text(digest)
    assert "No provider is booked beyond" not in digest_text(digest)


def test_too_few_days_give_no_accuracy(connection: psycopg.Connection) -> None:
    warehouse.build(connection)
    warehouse.fill(connection)
    warehouse.insert_accuracy(connection, DAY, days=13)
    assert "Forecast accuracy" not in digest_text(build_digest(connection, ORG, DAY))


def test_a_day_without_insights(connection: psycopg.Connection) -> None:
    warehouse.build(connection)
    warehouse.fill(connection)
    digest = build_digest(connection, ORG, DAY)
    text = digest_text(digest)
    assert "Nothing unusual: realized revenue €900, as usual; bookings created 12" in " ".join(text.split())
    assert "Nothing needs to be done today." in text
    assert "What needs attention" not in text
    assert "No provider is booked beyond the available hours." in text
    assert digest_message(digest, link_base="").subject.endswith("nothing unusual")


def test_without_data_the_digest_says_what_to_do(connection: psycopg.Connection) -> None:
    warehouse.build(connection)
    digest = build_digest(connection, ORG, DAY)
    assert "hub sample" in digest_text(digest)
    assert "Nothing unusual" not in digest_text(digest)
    Page(digest_html(digest))


def test_a_day_without_figures_says_what_to_run(connection: psycopg.Connection) -> None:
    warehouse.build(connection)
    warehouse.fill(connection)
    assert "hub run --as-of 2026-06-30" in digest_text(build_digest(connection, ORG, DAY.replace(month=6, day=30)))


def test_without_a_forecast_the_digest_shows_revenue_on_hand(connection: psycopg.Connection) -> None:
    warehouse.build(connection)
    warehouse.fill(connection)
    connection.execute("delete from ml.revenue_forecasts")
    warehouse.forecast(connection, DAY - timedelta(days=1))
    text = digest_text(build_digest(connection, ORG, DAY))
    assert "Booked, next 7 days   €1,400" in text
    assert "There is no forecast of this day" in text
    assert "its forecast with" not in text
    assert "€6,650" not in text


def test_a_forecast_below_revenue_on_hand_is_explained(filled: psycopg.Connection) -> None:
    filled.execute("delete from ml.revenue_forecasts")
    warehouse.forecast(filled, DAY, per_day=150)
    assert (
        "€1,050 forecast (80% range €700 to €1,400); 83% less than in the 7 days before (€6,300); "
        "€1,400 already booked, part of which is usually cancelled" in one_line(filled)
    )


def test_figures_that_were_never_recorded_are_left_out_with_one_note(filled: psycopg.Connection) -> None:
    warehouse.set_coverage(filled, knows_payments=False, knows_capacity=False)
    filled.execute("delete from marts.kpi_daily where metric = 'collected_revenue'")
    filled.execute("update analytics.v_booking_trends set collected_revenue = 0")
    text = one_line(filled)
    assert "Collected revenue" not in text
    assert "overload" not in text
    assert text.count("No payments are recorded, so collected revenue is not shown.") == 1
    assert text.count("No working hours are recorded, so workload is not shown.") == 1


def test_cancellations_on_an_unknown_day_hide_the_count_of_the_day(filled: psycopg.Connection) -> None:
    booking = "insert into marts.fct_bookings values (%s, 'cancelled', %s, %s)"
    for _ in range(4):
        filled.execute(booking, [ORG, DAY, DAY])
    filled.execute(booking, [ORG, DAY, None])
    text = one_line(filled)
    assert "Bookings cancelled" in text
    assert "1 booking was cancelled on an unknown day, and is in no day's figures." in text

    filled.execute(booking, [ORG, DAY, None])
    text = one_line(filled)
    assert "Bookings cancelled" not in text
    assert "2 bookings were cancelled on an unknown day, and are in no day's figures." in text


def test_the_edge_of_the_data_is_mentioned(filled: psycopg.Connection) -> None:
    warehouse.set_coverage(filled, book_until=DAY + timedelta(days=3), bookings_complete_until=DAY - timedelta(days=1))
    text = one_line(filled)
    assert "There are no data of service days after 7 May 2026." in text
    assert "The forecast of later days is based on past days alone." in text
    assert "€600 already booked" in text
    assert "Bookings created 12 Bookings completed 8, as usual" in text
    assert "Realized revenue €900, as usual" in text
    assert "at the same age" not in text


def test_at_the_edge_itself_no_revenue_on_hand_is_shown(filled: psycopg.Connection) -> None:
    warehouse.set_coverage(filled, book_until=DAY)
    text = one_line(filled)
    assert "There are no data of service days after 4 May 2026." in text
    assert "already booked" not in text


def test_data_that_ended_are_not_compared(filled: psycopg.Connection) -> None:
    warehouse.set_coverage(filled, last_day=DAY - timedelta(days=28), has_ended=True)
    filled.execute("delete from app.insight_events where status <> 'resolved'")
    digest = build_digest(filled, ORG, DAY)
    text = digest_text(digest)
    assert "The last recorded activity was on Monday, 6 April 2026." in " ".join(text.split())
    for claim in ("as usual", "What is over", "Nothing unusual", "No provider is booked beyond", "next 7 days"):
        assert claim not in text
    assert digest_message(digest, link_base="").subject.endswith("no data")


def test_a_day_without_activity_says_so_beside_its_figures(filled: psycopg.Connection) -> None:
    warehouse.set_coverage(filled, last_day=DAY - timedelta(days=1))
    text = one_line(filled)
    assert "Nothing was recorded on this day. The last recorded activity was on Sunday, 3 May 2026." in text
    assert "Bookings created" in text


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (6, "There is no earlier Monday to compare with."),
        (7, "Usual: the Monday before, the only one with data."),
        (20, "Usual: the median Monday of the last 2 weeks."),
        (28, "Usual: the median Monday of the last 4 weeks."),
    ],
)
def test_the_usual_figure_is_the_median_of_weeks_with_data(filled: psycopg.Connection, days: int, words: str) -> None:
    filled.execute("delete from analytics.v_booking_trends where day < %s", [DAY - timedelta(days=days)])
    assert words in one_line(filled)


def test_one_bad_day_does_not_move_the_usual_figure(filled: psycopg.Connection) -> None:
    filled.execute(
        "update analytics.v_booking_trends set bookings_created = 90 where day = %s", [DAY - timedelta(days=14)]
    )
    usual = {key.metric.label: key.usual for key in build_digest(filled, ORG, DAY).key_figures}
    assert usual["Bookings created"] == Decimal(10)


def test_weeks_before_a_metric_was_recorded_do_not_count(filled: psycopg.Connection) -> None:
    filled.execute("update marts.kpi_daily set day = %s where metric = 'realized_revenue'", [DAY - timedelta(days=15)])
    digest = build_digest(filled, ORG, DAY)
    assert {key.metric.label: key.weeks for key in digest.key_figures} == {
        "Bookings created": 5,
        "Bookings completed": 5,
        "Bookings cancelled": 5,
        "Booked revenue": 5,
        "Realized revenue": 2,
        "Collected revenue": 5,
    }
    assert "Usual: the median Monday of the last 5 weeks, or of those with data." in one_line(filled)


def test_an_insight_is_described_in_full_once(filled: psycopg.Connection) -> None:
    filled.execute("update app.insight_events set first_seen = %s", [NOW - timedelta(days=3)])
    digest = build_digest(filled, ORG, DAY)
    text = digest_text(digest)
    assert digest.new_insights == ()
    assert "Nothing new: " in text
    assert "Still open: Booked revenue fell by half (2 others below)." in " ".join(text.split())
    assert "* Booked revenue fell by half (open since 2 May 2026)" in text
    assert "What to do: Look at" not in text
    assert digest_message(digest, link_base="").subject.endswith("nothing new, 3 still open")


def test_an_organisation_without_any_data(connection: psycopg.Connection) -> None:
    warehouse.build(connection)
    warehouse.set_coverage(connection, first_day=None, last_day=None, knows_payments=False, knows_capacity=False)
    assert "Nothing is recorded up to this day." in digest_text(build_digest(connection, ORG, DAY))


def test_names_in_any_script_keep_the_text_in_its_columns(filled: psycopg.Connection) -> None:
    name = "株式会社 <b>“Ünï'code”</b> {0} %s \\ 🏨" + " שלום" * 20
    filled.execute("update raw.organizations set name = %s", [name])
    digest = build_digest(filled, ORG, DAY)
    assert max(map(len, digest_text(digest).splitlines())) <= 80
    assert name in " ".join(Page(digest_html(digest)).words)


def test_without_a_warehouse_the_error_says_what_to_run(connection: psycopg.Connection) -> None:
    with pytest.raises(HubError, match="hub run"):
        build_digest(connection, ORG, DAY)
    warehouse.build(connection)
    with pytest.raises(HubError, match="not in the warehouse"):
        build_digest(connection, OTHER_ORG, DAY)
    connection.execute("drop schema analytics cascade")
    with pytest.raises(HubError, match="not built yet"):
        build_digest(connection, ORG, DAY)


def test_the_digest_and_alerts_go_through_the_ledger(
    filled: psycopg.Connection, wired: Settings, clock: Clock, mail: MailServer
) -> None:
    add_channel(filled, ORG, name="owners", kind="email", target="a@b.org")
    delivery_ledger.enqueue_digests(filled, ORG, DAY, now=NOW)
    filled.execute(
        """
        insert into ml.anomalies (org_id, metric, dimension, member, day, as_of, value, expected, lower, upper, score,
            is_anomaly, began, since_value, since_expected)
        select %(org)s, 'booked_revenue', 'total', 'all', %(day)s::date - n, %(day)s, 10 + n, 10, 5, 15, 0, false,
            %(day)s::date - n, 10 + n, 10
        from generate_series(0, 40) as n
        """,
        {"org": ORG, "day": DAY},
    )
    delivery_ledger.enqueue_insights(filled, {"opened": [INSIGHT]}, now=NOW, recipients={})
    report = deliver_due(wired, now=clock)
    assert [attempt.outcome for attempt in report.attempts] == ["sent", "sent"]
    digest, alert = mail.mails
    assert digest["Subject"] == "Nordlicht Studio: Monday, 4 May 2026, 3 new insights"
    assert alert["Subject"] == "[Critical] Booked revenue fell by half"
    assert [part.get_content_type() for part in alert.walk()].count("image/png") == 1
    text = alert.get_body(("plain",))
    assert text
    assert "-€4,550" in text.get_content()
    assert records(filled, "select count(*) as n from app.notification_attempts", {}) == [{"n": 2}]


def test_plot_of_few_days_is_no_error(filled: psycopg.Connection) -> None:
    filled.execute("delete from analytics.v_booking_trends where day < %s", [DAY])
    digest = build_digest(filled, ORG, DAY)
    assert isinstance(digest.plot, Plot)
    assert "There is no earlier Monday to compare with." in digest_text(digest)
    Page(digest_html(digest))
