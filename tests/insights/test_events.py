"""Insight events: opened once, refreshed while the condition lasts, resolved when it ends; and their messages."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from dagster_project.insights.messages import enqueue_changes
from insights.events import expire_events, update_events, update_questions
from insights.findings import Finding
from insights.organizations import Organization
from sources.insight_values import InsightKind

DAY = date(2026, 3, 10)


def organization_on(org_id: UUID, day: date) -> Organization:
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    return Organization(org_id, "Studio", "EUR", day, midnight)


def finding(day: date, **changes: Any) -> Finding:
    return {
        "kind": "anomaly",
        "severity": "high",
        "metric": "booked_revenue",
        "dimension": "total",
        "member": "all",
        "direction": "down",
        "started_on": DAY,
        "day": day,
        "title": "Booked revenue fell",
        "summary": "It fell.",
        "value": 10.0,
        "expected": 100.0,
        "lower": 60.0,
        "upper": 140.0,
        "impact": -90.0,
        "drivers": [{"member_name": "Audit", "contribution": -90.0}],
        "recommendation": "Look.",
        **changes,
    }


@pytest.fixture
def org_id(connection: psycopg.Connection) -> UUID:
    """An organisation with one administrator and one webhook channel."""
    org_id, admin = uuid4(), uuid4()
    connection.execute("create schema staging")
    connection.execute(
        "create table staging.stg_app__profiles (profile_id uuid, org_id uuid, role text, is_active boolean)"
    )
    connection.execute("insert into staging.stg_app__profiles values (%s, %s, 'admin', true)", [admin, org_id])
    connection.execute(
        "insert into app.notification_channels (org_id, name, kind, target) values (%s, 'hook', 'webhook', 'http://x')",
        [org_id],
    )
    return org_id


def run(
    connection: psycopg.Connection, org_id: UUID, day: date, *findings: Finding, kind: InsightKind = "anomaly"
) -> tuple[int, int]:
    """Update the events as a run of that day does, with their messages; the numbers of opened and resolved events."""
    organization = organization_on(org_id, day)
    changes = update_events(connection, organization, findings, kinds=[kind])
    enqueue_changes(connection, organization, changes, now=datetime.now(UTC))
    return len(changes.opened), len(changes.resolved)


def event(connection: psycopg.Connection) -> Mapping[str, Any]:
    with connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        rows = cursor.execute("select * from app.insight_events").fetchall()
    assert len(rows) == 1
    return rows[0]


def messages(connection: psycopg.Connection) -> list[str]:
    rows = connection.execute("select event from app.notification_deliveries order by event").fetchall()
    return [row[0] for row in rows]


def test_a_lasting_condition_is_one_event_and_one_message(connection: psycopg.Connection, org_id: UUID) -> None:
    assert run(connection, org_id, DAY, finding(DAY)) == (1, 0)
    later = DAY + timedelta(days=1)
    assert run(connection, org_id, later, finding(later, value=5.0, severity="medium")) == (0, 0)
    kept = event(connection)
    assert (kept["day"], kept["value"], kept["severity"]) == (later, 5, "medium")
    assert messages(connection) == ["opened"]


def test_a_higher_severity_is_told_once(connection: psycopg.Connection, org_id: UUID) -> None:
    run(connection, org_id, DAY, finding(DAY))
    for n, severity in enumerate(("critical", "high", "critical"), start=1):
        run(connection, org_id, DAY + timedelta(days=n), finding(DAY + timedelta(days=n), severity=severity))
    assert messages(connection) == ["opened", "worsened"]


def test_a_growth_by_half_is_told_and_no_third_time_for_the_same_size(
    connection: psycopg.Connection, org_id: UUID
) -> None:
    # A receivable: a state that lasts; told at 100, then at 150 and at 225, and not in between.
    tellings = []
    for n, amount in enumerate((100, 149, 150, 160, 220, 150, 225, 225)):
        day = DAY + timedelta(days=n)
        run(connection, org_id, day, finding(day, kind="receivable", impact=-amount), kind="receivable")
        tellings.append(len(messages(connection)))
    assert tellings == [1, 1, 2, 2, 2, 2, 3, 3]
    assert messages(connection) == ["opened", "worsened", "worsened"]
    kept = event(connection)
    assert (kept["told_size"], kept["worsened_times"], kept["started_on"]) == (225, 2, DAY)


def test_a_busier_weekday_is_no_growth_of_an_anomaly(connection: psycopg.Connection, org_id: UUID) -> None:
    run(connection, org_id, DAY, finding(DAY, value=60, expected=100, impact=-40))
    saturday = DAY + timedelta(days=4)
    run(connection, org_id, saturday, finding(saturday, value=180, expected=300, impact=-120))
    assert messages(connection) == ["opened"]
    worse = DAY + timedelta(days=5)
    run(connection, org_id, worse, finding(worse, value=40, expected=100, impact=-60))
    assert messages(connection) == ["opened", "worsened"]


def test_a_size_in_money_is_not_compared_with_one_without(connection: psycopg.Connection, org_id: UUID) -> None:
    run(connection, org_id, DAY, finding(DAY, impact=None))
    later = DAY + timedelta(days=1)
    run(connection, org_id, later, finding(later, impact=-9000))
    assert messages(connection) == ["opened"]


def test_a_start_that_moves_opens_no_second_event(connection: psycopg.Connection, org_id: UUID) -> None:
    run(connection, org_id, DAY, finding(DAY))
    for moved in (-1, 2):
        later = DAY + timedelta(days=2)
        assert run(connection, org_id, later, finding(later, started_on=DAY + timedelta(days=moved))) == (0, 0)
    assert event(connection)["started_on"] == DAY - timedelta(days=1)


@pytest.mark.parametrize("status", ["resolved", "dismissed"])
def test_a_closed_event_is_not_opened_again_where_its_start_moves(
    connection: psycopg.Connection, org_id: UUID, status: str
) -> None:
    run(connection, org_id, DAY, finding(DAY))
    connection.execute("update app.insight_events set status = %s, closed_by = 'admin', resolved_at = now()", [status])
    later = DAY + timedelta(days=1)
    assert run(connection, org_id, later, finding(later, started_on=DAY - timedelta(days=1))) == (0, 0)
    assert event(connection)["status"] == status


def test_a_condition_that_paused_goes_on_without_a_second_alert(connection: psycopg.Connection, org_id: UUID) -> None:
    run(connection, org_id, DAY, finding(DAY))
    assert run(connection, org_id, DAY + timedelta(days=3)) == (0, 1)
    later = DAY + timedelta(days=5)
    assert run(connection, org_id, later, finding(later, pattern="level_shift")) == (0, 0)
    kept = event(connection)
    assert (kept["status"], kept["resolved_at"], kept["pattern"]) == ("open", None, "level_shift")
    assert messages(connection) == ["opened", "resolved"]


MEMBER = {"dimension": "service", "member": "audit"}
EFFECT = {
    "metric": "collected_revenue",
    "label": "collected revenue",
    "dimension": "total",
    "member_name": "",
    "value": 10.0,
    "expected": 100.0,
    "impact": -90.0,
    "sentence": "Collected revenue fell.",
}
ROOT = {"metric": "failed_payments", "direction": "up", "value": 40.0, "expected": 4.0}


def test_the_event_of_a_member_goes_on_as_that_of_the_total(connection: psycopg.Connection, org_id: UUID) -> None:
    run(connection, org_id, DAY, finding(DAY, **MEMBER))
    later = DAY + timedelta(days=1)
    assert run(connection, org_id, later, finding(later)) == (0, 0)
    kept = event(connection)
    assert (kept["dimension"], kept["member"], kept["status"]) == ("total", "all", "open")
    assert run(connection, org_id, later, finding(later)) == (0, 0)
    assert run(connection, org_id, DAY + timedelta(days=3)) == (0, 1)
    assert messages(connection) == ["opened", "resolved"]


def test_a_dismissed_member_does_not_silence_the_total(connection: psycopg.Connection, org_id: UUID) -> None:
    run(connection, org_id, DAY, finding(DAY, **MEMBER))
    connection.execute("update app.insight_events set status = 'dismissed', closed_by = 'admin'")
    later = DAY + timedelta(days=1)
    assert run(connection, org_id, later, finding(later)) == (1, 0)


def test_the_event_of_an_effect_goes_on_as_that_of_the_root(connection: psycopg.Connection, org_id: UUID) -> None:
    run(connection, org_id, DAY, finding(DAY, metric="collected_revenue"))
    later = DAY + timedelta(days=1)
    assert run(connection, org_id, later, finding(later, **ROOT, effects=[EFFECT])) == (0, 0)
    kept = event(connection)
    assert (kept["metric"], kept["direction"], kept["effects"]) == ("failed_payments", "up", [EFFECT])
    assert messages(connection) == ["opened"]
    # The root has ended, its effect lasts.
    after = DAY + timedelta(days=3)
    assert run(connection, org_id, after, finding(after, metric="collected_revenue")) == (0, 0)
    assert event(connection)["metric"] == "collected_revenue"


def test_an_event_that_became_an_effect_is_not_back_to_normal(connection: psycopg.Connection, org_id: UUID) -> None:
    run(connection, org_id, DAY, finding(DAY, **ROOT), finding(DAY, metric="collected_revenue"))
    later = DAY + timedelta(days=1)
    assert run(connection, org_id, later, finding(later, **ROOT, effects=[EFFECT])) == (0, 0)
    rows = connection.execute("select metric, status from app.insight_events order by metric").fetchall()
    assert rows == [("collected_revenue", "resolved"), ("failed_payments", "open")]
    assert messages(connection) == ["opened", "opened"]


def test_an_effect_of_another_kind_is_another_condition(connection: psycopg.Connection, org_id: UUID) -> None:
    run(connection, org_id, DAY, finding(DAY, metric="collected_revenue"))
    later = DAY + timedelta(days=1)
    forecast = {**EFFECT, "kind": "forecast", "member": "all", "direction": "down"}
    assert run(connection, org_id, later, finding(later, **ROOT, effects=[forecast])) == (1, 1)


def test_an_effect_in_the_other_direction_is_another_condition(connection: psycopg.Connection, org_id: UUID) -> None:
    run(connection, org_id, DAY, finding(DAY, metric="collected_revenue", direction="up"))
    later = DAY + timedelta(days=1)
    assert run(connection, org_id, later, finding(later, **ROOT, effects=[EFFECT])) == (1, 1)


def test_a_repeated_run_changes_nothing(connection: psycopg.Connection, org_id: UUID) -> None:
    run(connection, org_id, DAY, finding(DAY))
    before = {key: value for key, value in event(connection).items() if key != "updated_at"}
    assert run(connection, org_id, DAY, finding(DAY)) == (0, 0)
    assert {key: value for key, value in event(connection).items() if key != "updated_at"} == before


def test_an_ended_condition_is_resolved_with_one_message(connection: psycopg.Connection, org_id: UUID) -> None:
    run(connection, org_id, DAY, finding(DAY))
    over = DAY + timedelta(days=2)
    assert run(connection, org_id, over) == (0, 1)
    assert run(connection, org_id, over) == (0, 0)
    kept = event(connection)
    assert kept["status"] == "resolved"
    assert kept["resolved_at"] == organization_on(org_id, over).as_of_at
    assert messages(connection) == ["opened", "resolved"]


def test_a_new_episode_is_a_new_event(connection: psycopg.Connection, org_id: UUID) -> None:
    run(connection, org_id, DAY, finding(DAY))
    run(connection, org_id, DAY + timedelta(days=3))
    again = DAY + timedelta(days=9)
    assert run(connection, org_id, again, finding(again, started_on=again)) == (1, 0)


def test_a_dismissed_event_is_not_raised_again_while_it_lasts(connection: psycopg.Connection, org_id: UUID) -> None:
    run(connection, org_id, DAY, finding(DAY))
    connection.execute("update app.insight_events set status = 'dismissed'")
    later = DAY + timedelta(days=1)
    assert run(connection, org_id, later, finding(later, started_on=later)) == (0, 0)
    assert run(connection, org_id, DAY + timedelta(days=5)) == (0, 0)  # ended: no message
    assert event(connection)["status"] == "dismissed"
    assert messages(connection) == ["opened"]


def test_a_dismissed_event_that_grows_by_half_is_told_again(connection: psycopg.Connection, org_id: UUID) -> None:
    run(connection, org_id, DAY, finding(DAY, value=60, expected=100, impact=-40))
    connection.execute("update app.insight_events set status = 'dismissed', closed_by = 'admin'")
    later = DAY + timedelta(days=1)
    run(connection, org_id, later, finding(later, value=50, expected=100, impact=-50, severity="critical"))
    assert event(connection)["status"] == "dismissed"
    run(connection, org_id, later, finding(later, value=30, expected=100, impact=-70))
    assert event(connection)["status"] == "open"
    assert messages(connection) == ["opened", "worsened"]


def test_an_event_that_a_person_resolved_is_not_opened_again(connection: psycopg.Connection, org_id: UUID) -> None:
    run(connection, org_id, DAY, finding(DAY))
    connection.execute("update app.insight_events set status = 'resolved', resolved_at = now()")
    assert run(connection, org_id, DAY, finding(DAY)) == (0, 0)
    assert event(connection)["status"] == "resolved"


def test_other_kinds_and_other_organisations_are_left_alone(connection: psycopg.Connection, org_id: UUID) -> None:
    run(connection, org_id, DAY, finding(DAY))
    assert run(connection, org_id, DAY + timedelta(days=2), kind="pipeline") == (0, 0)
    assert run(connection, uuid4(), DAY + timedelta(days=2)) == (0, 0)
    assert event(connection)["status"] == "open"


def test_a_run_of_an_earlier_day_resolves_nothing(connection: psycopg.Connection, org_id: UUID) -> None:
    run(connection, org_id, DAY, finding(DAY))
    assert run(connection, org_id, DAY - timedelta(days=30)) == (0, 0)


def test_administrators_get_an_in_app_notification(connection: psycopg.Connection, org_id: UUID) -> None:
    run(connection, org_id, DAY, finding(DAY))
    assert connection.execute("select count(*) from app.notifications where event = 'opened'").fetchone() == (1,)


def test_a_finding_that_opens_no_event_resolves_none_either(connection: psycopg.Connection, org_id: UUID) -> None:
    assert run(connection, org_id, DAY, finding(DAY, opens=False)) == (0, 0)
    run(connection, org_id, DAY, finding(DAY))
    later = DAY + timedelta(days=1)
    assert run(connection, org_id, later, finding(later, opens=False)) == (0, 0)
    assert (event(connection)["status"], event(connection)["day"]) == ("open", later)


def test_events_that_cannot_be_judged_any_more_expire_without_a_message(
    connection: psycopg.Connection, org_id: UUID
) -> None:
    run(connection, org_id, DAY, finding(DAY))
    expire_events(connection, organization_on(org_id, DAY + timedelta(days=40)), ["forecast"])
    assert event(connection)["status"] == "open"
    expire_events(connection, organization_on(org_id, DAY + timedelta(days=40)), ["anomaly"])
    kept = event(connection)
    assert (kept["status"], kept["resolved_at"]) == ("resolved", kept["last_seen"])
    assert messages(connection) == ["opened"]


@pytest.fixture
def booking(connection: psycopg.Connection, org_id: UUID) -> UUID:
    """A booking of € 5,400."""
    booking_id = uuid4()
    connection.execute("create schema marts")
    connection.execute("create table marts.fct_bookings (booking_id uuid, org_id uuid, total_amount numeric(14, 2))")
    connection.execute("insert into marts.fct_bookings values (%s, %s, 5400)", [booking_id, org_id])
    return booking_id


def question(booking_id: UUID, amount: float = 5400) -> Finding:
    return finding(
        DAY,
        kind="pipeline",
        metric="booking_amount",
        dimension="booking",
        member=str(booking_id),
        started_on=amount,
        value=amount,
    )


def asks(connection: psycopg.Connection, org_id: UUID, day: date, *questions: Finding) -> int:
    organization = organization_on(org_id, day)
    changes = update_questions(connection, organization, questions)
    enqueue_changes(connection, organization, changes, now=datetime.now(UTC))
    return len(changes.opened)


def test_a_question_is_asked_once_and_stays(connection: psycopg.Connection, org_id: UUID, booking: UUID) -> None:
    assert asks(connection, org_id, DAY, question(booking)) == 1
    assert asks(connection, org_id, DAY + timedelta(days=1), question(booking)) == 0
    # The booking is not recent any more; and runs without this question resolve only other events.
    assert asks(connection, org_id, DAY + timedelta(days=9)) == 0
    assert run(connection, org_id, DAY + timedelta(days=9), kind="pipeline") == (0, 0)
    assert event(connection)["status"] == "open"
    assert messages(connection) == ["opened"]


@pytest.mark.parametrize("answer", ["dismissed", "resolved"])
def test_an_answered_question_is_not_asked_again(
    connection: psycopg.Connection, org_id: UUID, booking: UUID, answer: str
) -> None:
    asks(connection, org_id, DAY, question(booking))
    connection.execute(
        "update app.insight_events set status = %s, resolved_at = case %s when 'resolved' then now() end",
        [answer, answer],
    )
    assert asks(connection, org_id, DAY + timedelta(days=1), question(booking)) == 0
    assert event(connection)["status"] == answer


def test_a_corrected_amount_answers_the_question_without_a_message(
    connection: psycopg.Connection, org_id: UUID, booking: UUID
) -> None:
    asks(connection, org_id, DAY, question(booking))
    connection.execute("update marts.fct_bookings set total_amount = 54")
    asks(connection, org_id, DAY + timedelta(days=1))
    assert event(connection)["status"] == "resolved"
    assert messages(connection) == ["opened"]


def test_a_new_wrong_amount_is_a_new_question(connection: psycopg.Connection, org_id: UUID, booking: UUID) -> None:
    asks(connection, org_id, DAY, question(booking))
    connection.execute("update marts.fct_bookings set total_amount = 54000")
    assert asks(connection, org_id, DAY + timedelta(days=1), question(booking, 54000)) == 1
