"""Sensors: jobs that run when the state of the database requires it."""

from datetime import UTC, datetime
from typing import Final

import dagster as dg

from dagster_project.automation import due_queries, failure_alerts
from dagster_project.automation.import_job import import_job
from dagster_project.automation.jobs import BEGINNING, daily_insights, deliver, is_under_way, jobs
from dagster_project.insights.requests import claim_requests
from sources import database
from sources.importing.jobs import are_waiting, only_importer
from sources.settings import get_settings


@dg.sensor(
    job=deliver,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Sends due deliveries; the ledger alone decides what is due.",
)
def deliver_insights(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    if is_under_way(context.instance, deliver.name):
        return dg.SkipReason("A delivery is under way.")
    if not due_queries.deliveries_due(get_settings(), datetime.now(UTC)):
        return dg.SkipReason("Nothing is due.")
    return dg.RunRequest()  # no run key: a key is used once, and a retry is due again


@dg.sensor(
    job=daily_insights,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Runs the requests for insights (rows of app.insight_run_logs).",
)
def requested_insights(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    if is_under_way(context.instance, daily_insights.name):
        return dg.SkipReason("Insights are under way.")
    with database.connect(database.database_url(get_settings())) as connection:
        claimed = claim_requests(connection, datetime.now(UTC))
    if not claimed:
        return dg.SkipReason("No request is due.")
    return dg.RunRequest()  # the run answers the requests


@dg.sensor(
    job=import_job,
    minimum_interval_seconds=10,  # a person waits on the page of the import
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Runs the imports that admins asked for on the pages (rows of app.import_jobs).",
)
def requested_imports(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    if is_under_way(context.instance, import_job.name, BEGINNING):
        return dg.SkipReason("A run begins.")
    # The lock says whether a run still imports: one that was killed holds it no more.
    with only_importer(get_settings()) as connection:
        if connection is None:
            return dg.SkipReason("An import is under way.")
        if not are_waiting(connection):
            return dg.SkipReason("No import is asked for.")
    return dg.RunRequest()  # the run claims the imports


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Opens an insight for each failed job, check, schedule, sensor and channel.",
)
def report_failures(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    assert context.repository_def is not None
    checks = list(context.repository_def.asset_graph.asset_check_keys)
    current = failure_alerts.current_failures(context.instance, [job.name for job in jobs], checks)
    changes = failure_alerts.report(get_settings(), current)
    return dg.SkipReason(f"{len(current)} failures; {len(changes.opened)} opened, {len(changes.resolved)} resolved.")


sensors: Final = [deliver_insights, requested_insights, requested_imports, report_failures]
