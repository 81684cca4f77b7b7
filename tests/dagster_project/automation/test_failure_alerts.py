"""Failures of the Hub: they open an insight, which is resolved when the failure has ended."""

from datetime import UTC, date, datetime
from uuid import UUID, uuid4

import dagster as dg
import psycopg
import pytest

from dagster_project.automation.failure_alerts import current_failures, report
from dagster_project.organization_failures import failures_by_organization, forget_failures, isolated
from notifications.sending import deliver_due
from sources.settings import Settings


@pytest.fixture
def org_id(connection: psycopg.Connection) -> UUID:
    """An organisation with a run and an administrator."""
    org_id = uuid4()
    connection.execute("create schema staging")
    connection.execute(
        "create table staging.stg_app__organizations as "
        "select %s as org_id, 'Studio' as organization_name, 'EUR' as currency",
        [org_id],
    )
    connection.execute(
        "create table staging.stg_app__profiles as "
        "select gen_random_uuid() as profile_id, %s as org_id, 'admin' as role, true as is_active",
        [org_id],
    )
    connection.execute("insert into raw.run_clock values (%s, '2026-03-10', '2026-03-11 00:00+00')", [org_id])
    return org_id


def statuses(connection: psycopg.Connection) -> list[tuple[str, str]]:
    return connection.execute("select kind, status from app.insight_events order by id").fetchall()


def test_a_failure_is_an_event_until_it_ends(settings: Settings, connection: psycopg.Connection, org_id: UUID) -> None:
    failing = {"check expectations of raw/bookings": "3 bookings have no client."}
    assert len(report(settings, failing).opened) == 1
    assert report(settings, failing).opened == []
    assert statuses(connection) == [("pipeline", "open")]
    text = connection.execute("select title || summary from app.insight_events").fetchone()
    assert text is not None
    assert "3 bookings have no client" in text[0]
    assert len(report(settings, {}).resolved) == 1
    assert statuses(connection) == [("pipeline", "resolved")]


def test_a_failure_of_one_organisation_is_rolled_back_and_reported_to_it_alone(
    settings: Settings, connection: psycopg.Connection, org_id: UUID
) -> None:
    other = uuid4()
    connection.execute(
        "insert into staging.stg_app__organizations (org_id, organization_name, currency) values (%s, 'Other', 'EUR')",
        [other],
    )
    connection.execute("insert into raw.run_clock values (%s, '2026-03-10', '2026-03-11 00:00+00')", [other])
    for each in (org_id, other):
        with isolated(connection, each, date(2026, 3, 10), "anomalies"):
            connection.execute("insert into ml.fingerprints (org_id, model, fingerprint) values (%s, 'm', 'x')", [each])
            if each == org_id:
                connection.execute("select 1 / 0")
    assert connection.execute("select org_id from ml.fingerprints").fetchall() == [(other,)]
    assert failures_by_organization(connection) == {org_id: {"step anomalies": "division by zero"}}
    connection.commit()

    assert len(report(settings, {}).opened) == 1
    events = connection.execute("select org_id, kind, summary from app.insight_events").fetchall()
    assert [(org, kind) for org, kind, _ in events] == [(org_id, "pipeline")]
    assert "division by zero" in events[0][2].lower()

    forget_failures(connection, "anomalies")
    connection.commit()
    assert len(report(settings, {}).resolved) == 1


def test_before_the_first_run_nothing_is_reported(settings: Settings) -> None:
    assert report(settings, {"job hub_run": "It failed."}).opened == []


def test_a_dead_delivery_is_a_failure(settings: Settings, connection: psycopg.Connection, org_id: UUID) -> None:
    connection.execute(
        "insert into app.notification_channels (org_id, name, kind, target) values (%s, 'hook', 'webhook', 'http://x')",
        [org_id],
    )
    connection.execute(
        "insert into app.notification_deliveries (org_id, channel_id, digest_day, recipient, event, state, last_error) "
        "select org_id, id, '2026-03-10', target, 'digest', 'dead', 'It answered 410.' from app.notification_channels"
    )
    other = uuid4()
    connection.execute(
        "insert into staging.stg_app__organizations (org_id, organization_name, currency) values (%s, 'Other', 'EUR')",
        [other],
    )
    connection.execute("insert into raw.run_clock values (%s, '2026-03-10', '2026-03-11 00:00+00')", [other])
    assert len(report(settings, {}).opened) == 1
    told = connection.execute("select org_id from app.insight_events").fetchall()
    assert told == [(org_id,)], "channels of others are none of an organisation's business"


def test_a_channel_of_unknown_kind_is_a_failure(
    settings: Settings, connection: psycopg.Connection, org_id: UUID
) -> None:
    connection.execute(
        "insert into app.notification_channels (org_id, name, kind, target) values (%s, 'old', 'pigeon', 'loft')",
        [org_id],
    )
    assert len(report(settings, {"job hub_run": "It failed."}).opened) == 1
    deliver_due(settings, now=lambda: datetime.now(UTC))
    (opened,) = report(settings, {"job hub_run": "It failed."}).opened
    found = connection.execute("select kind, title, summary from app.insight_events where id = %s", [opened]).fetchone()
    assert found is not None
    assert found[:2] == ("pipeline", "Pipeline: delivery to old (Studio)")
    assert "The kind of channel 'pigeon' is unknown" in found[2]


def test_failed_jobs_and_checks_are_found_until_they_succeed() -> None:
    succeeds = False

    @dg.asset
    def numbers() -> None:
        pass

    @dg.asset_check(asset=numbers)
    def counted() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=succeeds, description="Two are missing.")

    @dg.asset(deps=[numbers])
    def sums() -> None:
        if not succeeds:
            raise ValueError("No numbers to sum.")

    job = dg.define_asset_job("work")
    defs = dg.Definitions(assets=[numbers, sums], asset_checks=[counted], jobs=[job])
    key = dg.AssetCheckKey(dg.AssetKey("numbers"), "counted")
    with dg.instance_for_test() as instance:
        defs.resolve_job_def("work").execute_in_process(instance=instance, raise_on_error=False)
        assert current_failures(instance, ["work"], [key]) == {
            "job work": "sums: No numbers to sum.",
            "check counted of numbers": "Two are missing.",
        }
        succeeds = True
        defs.resolve_job_def("work").execute_in_process(instance=instance)
        assert current_failures(instance, ["work"], [key]) == {}
