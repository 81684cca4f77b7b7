"""Feedback teaches: what people dismissed is raised again only when it is larger; and it can be undone."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from dagster_project.insights.messages import enqueue_changes
from insights.events import update_events
from insights.feedback import FORGOTTEN_AFTER, after_feedback, bars_of
from insights.findings import Finding
from insights.organizations import Organization
from sources.database import records
from sources.insight_values import InsightKind
from tests.insights.test_events import DAY, finding, organization_on

DAYS_SIMULATED = 60


@pytest.fixture
def org_id(connection: psycopg.Connection) -> UUID:
    connection.execute("create schema staging")
    connection.execute(
        "create table staging.stg_app__profiles (profile_id uuid, org_id uuid, role text, is_active boolean)"
    )
    return uuid4()


def run(connection: psycopg.Connection, organization: Organization, *findings: Finding) -> list[str]:
    """Run the insights of that day, after a day without findings; return the metrics of the events that were opened."""
    update_events(
        connection,
        organization_on(organization.id, organization.as_of - timedelta(days=1)),
        [],
        kinds=["anomaly", "receivable"],
    )
    heard = after_feedback(connection, organization, findings)
    changes = update_events(connection, organization, heard, kinds=["anomaly", "receivable"])
    enqueue_changes(connection, organization, changes, now=datetime.now(UTC))
    rows = records(connection, "select metric from app.insight_events where id = any(%(ids)s)", {"ids": changes.opened})
    return [row["metric"] for row in rows]


def say(connection: psycopg.Connection, org_id: UUID, reason: str) -> None:
    """Give feedback on the newest insight, as the operations of the API do (tests/sources/api/test_insights.py)."""
    connection.execute(
        """
        insert into app.insight_feedback (org_id, insight_id, reason, given_by, given_at, kind, metric, dimension,
            member, direction, size, share, is_size_money, as_of)
        select org_id, id, %(reason)s, 'admin', now(), kind, metric, dimension, member, direction, size, share,
            is_size_money, last_seen
        from app.insight_events where org_id = %(org_id)s order by last_seen desc, id desc limit 1
        """,
        {"org_id": org_id, "reason": reason},
    )
    if reason not in ("useful", "not_useful"):
        connection.execute(
            """
            update app.insight_events set status = 'dismissed', feedback_reason = %(reason)s, closed_by = 'admin'
            where id = (select insight_id from app.insight_feedback order by id desc limit 1)
            """,
            {"reason": reason},
        )


def fall(day: date, amount: float, of: float = 1000, **changes: Any) -> Finding:
    """Return a fall of `amount` on one day, a new episode."""
    values = {"value": of - amount, "expected": of, "impact": -amount, "started_on": day}
    return finding(day, **{**values, **changes})


def test_sixty_days_with_a_kind_of_alarm_that_was_dismissed(connection: psycopg.Connection, org_id: UUID) -> None:
    """Every sixth day the same harmless fall, which is dismissed once; every tenth day a fall of another metric."""
    opened: list[tuple[int, str]] = []
    for n in range(DAYS_SIMULATED):
        day = DAY + timedelta(days=n)
        findings = []
        if n % 6 == 0:
            weekend = 3 if day.weekday() >= 5 else 1  # a busier day has a larger fall, of the same share
            findings.append(fall(day, weekend * (300 + n % 4 * 10), of=weekend * 1000))
        if n % 10 == 5:
            findings.append(fall(day, 200, metric="collected_revenue"))
        opened += [(n, metric) for metric in run(connection, organization_on(org_id, day), *findings)]
        if n == 0:
            say(connection, org_id, "not_interesting")
    assert opened == [
        (0, "booked_revenue"),
        *((n, "collected_revenue") for n in range(5, DAYS_SIMULATED, 10)),
    ]


STATES: dict[InsightKind, dict[str, Any]] = {
    "forecast": {"metric": "realized_revenue", "per_size": ("impact", -100.0)},
    "pace": {"metric": "revenue_on_hand", "per_size": ("impact", -100.0)},
    "receivable": {"metric": "overdue_amount", "per_size": ("impact", -100.0)},
    "retention": {"metric": "missed_clients", "per_size": ("impact", -100.0)},
    "milestone": {"metric": "late_milestones", "per_size": ("value", 1.0)},
    "no_show": {"metric": "no_show_bookings", "per_size": ("value", 1.0)},
    "workload": {"metric": "booked_hours", "per_size": ("beyond", 10.0)},
}


def state(kind: InsightKind, day: date, size: float) -> Finding:
    """Return a state at the end of a day, which begins anew on each day, as the rules return it."""
    column, unit = STATES[kind]["per_size"]
    figures = {"impact": None, "value": 500.0 + 3 * size if column == "beyond" else None, "expected": 0.0}
    return finding(
        day, kind=kind, metric=STATES[kind]["metric"], started_on=day, **{**figures, column: size * unit}
    )  # fmt: skip


@pytest.mark.parametrize("kind", STATES)
def test_sixty_days_with_a_state_that_was_dismissed(
    connection: psycopg.Connection, org_id: UUID, kind: InsightKind
) -> None:
    """It stands on all but the weekends and varies by a fifth, and is dismissed once; each other kind comes up once."""
    others = [other for other in STATES if other != kind]
    opened: list[tuple[int, str]] = []
    for n in range(DAYS_SIMULATED):
        organization = organization_on(org_id, DAY + timedelta(days=n))
        findings = [state(kind, organization.as_of, 10 + n * 7 % 5 / 2)] if n % 7 < 5 else []
        if n % 10 == 5:
            findings.append(state(others[n // 10], organization.as_of, 10))
        changes = update_events(
            connection, organization, after_feedback(connection, organization, findings), kinds=list(STATES)
        )
        rows = records(
            connection, "select kind from app.insight_events where id = any(%(ids)s)",
            {"ids": changes.opened + changes.worsened},
        )  # fmt: skip
        opened += [(n, row["kind"]) for row in rows]
        if n == 0:
            say(connection, org_id, "not_interesting")
    assert opened == [(0, kind), *((5 + 10 * place, other) for place, other in enumerate(others))]


def test_hours_beyond_capacity_are_the_size_of_a_workload(connection: psycopg.Connection, org_id: UUID) -> None:
    def load(day: date, hours: float, beyond: float) -> Finding:
        return finding(day, kind="workload", metric="booked_hours", value=hours, expected=500.0, beyond=beyond,
                       impact=None)  # fmt: skip

    told = []
    for n, (hours, beyond) in enumerate([(508.0, 100.0), (530.0, 110.0), (420.0, 151.0)]):
        organization = organization_on(org_id, DAY + timedelta(days=n))
        changes = update_events(connection, organization, [load(organization.as_of, hours, beyond)], kinds=["workload"])
        told.append((len(changes.opened), len(changes.worsened)))
    assert told == [(1, 0), (0, 0), (0, 1)]


def test_a_much_larger_alarm_of_the_dismissed_kind_is_raised(connection: psycopg.Connection, org_id: UUID) -> None:
    run(connection, organization_on(org_id, DAY), fall(DAY, 300))
    say(connection, org_id, "wrong")
    later = DAY + timedelta(days=10)
    assert run(connection, organization_on(org_id, later), fall(later, 390)) == []
    after = DAY + timedelta(days=13)
    assert run(connection, organization_on(org_id, after), fall(after, 460)) == ["booked_revenue"]


def test_each_repeated_dismissal_asks_for_more(connection: psycopg.Connection, org_id: UUID) -> None:
    run(connection, organization_on(org_id, DAY), fall(DAY, 100))
    say(connection, org_id, "wrong")
    say(connection, org_id, "wrong")
    (bar,) = bars_of(connection, organization_on(org_id, DAY)).values()
    assert (bar.of.amount, round(bar.times, 3)) == (100, 2.25)


def test_expected_asks_for_half_as_much_again_however_often_it_is_said(
    connection: psycopg.Connection, org_id: UUID
) -> None:
    run(connection, organization_on(org_id, DAY), fall(DAY, 100))
    say(connection, org_id, "expected")
    say(connection, org_id, "expected")
    (bar,) = bars_of(connection, organization_on(org_id, DAY)).values()
    assert round(bar.times, 3) == 1.5


def test_what_was_learnt_fades(connection: psycopg.Connection, org_id: UUID) -> None:
    run(connection, organization_on(org_id, DAY), fall(DAY, 100))
    say(connection, org_id, "wrong")

    def times(days: float) -> list[float]:
        organization = organization_on(org_id, DAY + timedelta(days=days))
        return [round(bar.times, 3) for bar in bars_of(connection, organization).values()]

    assert times(90) == [1.225]
    assert times(180) == [1.107]
    assert times(FORGOTTEN_AFTER.days + 1) == []


def test_useful_lowers_a_raised_bar_and_never_below_the_detectors_own(
    connection: psycopg.Connection, org_id: UUID
) -> None:
    run(connection, organization_on(org_id, DAY), fall(DAY, 100))
    say(connection, org_id, "useful")
    assert bars_of(connection, organization_on(org_id, DAY)) == {}
    say(connection, org_id, "not_useful")
    (bar,) = bars_of(connection, organization_on(org_id, DAY)).values()
    assert round(bar.times, 3) == 1.225
    for _ in range(5):
        say(connection, org_id, "useful")
    (bar,) = bars_of(connection, organization_on(org_id, DAY)).values()
    assert bar.times == 1


def test_a_known_event_raises_no_bar(connection: psycopg.Connection, org_id: UUID) -> None:
    run(connection, organization_on(org_id, DAY), fall(DAY, 100))
    say(connection, org_id, "known_event")
    later = DAY + timedelta(days=30)
    assert run(connection, organization_on(org_id, later), fall(later, 100)) == ["booked_revenue"]


def test_undone_feedback_has_no_effect(connection: psycopg.Connection, org_id: UUID) -> None:
    run(connection, organization_on(org_id, DAY), fall(DAY, 100))
    say(connection, org_id, "wrong")
    connection.execute("update app.insight_feedback set undone_at = now()")
    later = DAY + timedelta(days=10)
    assert run(connection, organization_on(org_id, later), fall(later, 100)) == ["booked_revenue"]


@pytest.mark.parametrize(
    "other", [{"member": "b", "dimension": "service"}, {"direction": "up"}, {"metric": "hours"}, {"kind": "receivable"}]
)
def test_other_members_directions_metrics_and_kinds_are_not_concerned(
    connection: psycopg.Connection, org_id: UUID, other: dict[str, Any]
) -> None:
    run(connection, organization_on(org_id, DAY), fall(DAY, 100))
    say(connection, org_id, "wrong")
    later = DAY + timedelta(days=10)
    assert len(run(connection, organization_on(org_id, later), fall(later, 100, **other))) == 1


def test_an_organisation_does_not_learn_from_another(connection: psycopg.Connection, org_id: UUID) -> None:
    run(connection, organization_on(org_id, DAY), fall(DAY, 100))
    say(connection, org_id, "wrong")
    later = DAY + timedelta(days=10)
    assert run(connection, organization_on(uuid4(), later), fall(later, 100)) == ["booked_revenue"]


def test_an_incident_that_reaches_money_is_raised_although_its_root_was_dismissed(
    connection: psycopg.Connection, org_id: UUID
) -> None:
    failures = {"metric": "failed_payments", "direction": "up", "value": 40, "expected": 4, "impact": None}
    run(connection, organization_on(org_id, DAY), finding(DAY, **failures))
    say(connection, org_id, "not_interesting")
    later = DAY + timedelta(days=10)
    effect = {"metric": "collected_revenue", "dimension": "total", "value": 100, "expected": 5000, "impact": -4900}
    incident = finding(later, **failures, started_on=later, effects=[effect])
    assert run(connection, organization_on(org_id, later), incident) == ["failed_payments"]
