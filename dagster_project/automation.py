"""What runs when: jobs, schedules and sensors."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import dagster as dg

from dagster_project import automation_queries, delivery, health, ingestion, insights, modelling
from dagster_project.transitions import transitions_job
from sources.settings import get_settings

LOST_AFTER: Final = timedelta(hours=1)
RUNNING: Final = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
WAREHOUSE_GROUPS: Final = ("staging", "snapshots", "intermediate", "marts", "analytics")

digest_asset: Final = dg.AssetSelection.assets(delivery.daily_digest)
deliveries: Final = dg.AssetSelection.assets(delivery.notification_deliveries)
judged: Final = dg.AssetSelection.groups(modelling.GROUP, insights.GROUP)

hub_run: Final = dg.define_asset_job(
    "hub_run",
    selection=dg.AssetSelection.all() - digest_asset,
    description="The main job, end to end: ingest, build, model, insights, deliver. `hub run` executes it.",
)
pipeline: Final = dg.define_asset_job(
    "pipeline",
    selection=dg.AssetSelection.groups(ingestion.GROUP, *WAREHOUSE_GROUPS),
    description="Ingest what changed and bring the warehouse up to it.",
)
daily_insights: Final = dg.define_asset_job(
    "daily_insights",
    selection=judged | (judged.downstream() & dg.AssetSelection.groups("analytics")) | deliveries,
    description="Judge the figures, forecast, tell people.",
)
deliver: Final = dg.define_asset_job(
    "deliver", selection=deliveries, description="Send what is due in the delivery ledger."
)
digest: Final = dg.define_asset_job(
    "digest", selection=digest_asset | deliveries, description="The daily digest, into the ledger and out."
)
# Any: Dagster does not export the type of a job of assets.
jobs: Final[list[Any]] = [hub_run, pipeline, daily_insights, deliver, digest, transitions_job]

pipeline_schedule: Final = dg.ScheduleDefinition(
    job=pipeline,
    cron_schedule="*/15 * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every quarter of an hour.",
)

transitions_schedule: Final = dg.ScheduleDefinition(
    name="transitions_schedule",
    job=transitions_job,
    cron_schedule="0 * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every hour: bookings and invoices whose time has come.",
)


@dg.schedule(
    job=daily_insights,
    cron_schedule="*/15 * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Once a day: as soon as an organisation's last complete day is in the warehouse and not yet judged.",
)
def insights_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    if is_under_way(context.instance, daily_insights.name):
        return dg.SkipReason("Insights are under way.")
    if not automation_queries.organizations_to_judge(get_settings()):
        return dg.SkipReason("Every complete day is judged.")
    return dg.RunRequest()  # no run key: a run that failed is due again


@dg.schedule(
    job=digest,
    cron_schedule="*/15 * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Once a day for each organisation, at 07:00 in its own time zone or soon after.",
)
def digest_schedule(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
    if is_under_way(context.instance, digest.name):
        yield dg.SkipReason("A digest is under way.")
        return
    due = automation_queries.digests_to_send(get_settings(), context.scheduled_execution_time)
    for org_id, day in due:
        config = {"org_id": str(org_id), "day": str(day)}
        yield dg.RunRequest(run_config={"ops": {"app__daily_digest": {"config": config}}})
    if not due:
        yield dg.SkipReason("It is nobody's morning, or all that are due were sent.")


@dg.sensor(
    job=deliver,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Pushes what is due in the delivery ledger; the ledger alone decides what is due.",
)
def deliver_insights(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    if is_under_way(context.instance, deliver.name):
        return dg.SkipReason("A delivery is under way.")
    if not automation_queries.deliveries_due(get_settings(), datetime.now(UTC)):
        return dg.SkipReason("Nothing is due.")
    return dg.RunRequest()  # no run key: keys deduplicate for ever, and a retry is due again


@dg.sensor(
    job=daily_insights,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Runs the insights that somebody asked for (a row in app.insight_run_logs).",
)
def requested_insights(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    if is_under_way(context.instance, daily_insights.name):
        return dg.SkipReason("Insights are under way.")
    if not automation_queries.insights_requested(get_settings()):
        return dg.SkipReason("Nobody asked.")
    return dg.RunRequest()  # the run itself marks the requests as answered


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Makes failed runs, checks, schedules, sensors and deliveries an insight of their own.",
)
def report_failures(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    assert context.repository_def is not None
    checks = list(context.repository_def.asset_graph.asset_check_keys)
    failures = health.current_failures(context.instance, [job.name for job in jobs], checks)
    changes = health.report(get_settings(), failures)
    return dg.SkipReason(f"{len(failures)} failing now; {len(changes.opened)} new, {len(changes.resolved)} over.")


def is_under_way(instance: dg.DagsterInstance, job: str) -> bool:
    """Whether a run of `job` waits or works; one without news for LOST_AFTER was killed and blocks nobody."""
    news_since = datetime.now(UTC) - LOST_AFTER
    return instance.get_runs_count(dg.RunsFilter(job_name=job, statuses=RUNNING, updated_after=news_since)) > 0


schedules: Final = [pipeline_schedule, transitions_schedule, insights_schedule, digest_schedule]
sensors: Final = [deliver_insights, requested_insights, report_failures]
