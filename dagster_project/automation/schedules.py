"""Schedules: jobs that run at fixed times, where work is due."""

from collections.abc import Iterator
from typing import Final

import dagster as dg

from dagster_project.automation import due_queries
from dagster_project.automation.jobs import daily_insights, digest, is_under_way, pipeline
from dagster_project.automation.timed_transitions_job import transitions_job
from sources.settings import get_settings

DIGEST_HOUR: Final = 7  # in the time zone of the organisation

pipeline_schedule: Final = dg.ScheduleDefinition(
    job=pipeline,
    cron_schedule="*/15 * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every 15 minutes.",
)

transitions_schedule: Final = dg.ScheduleDefinition(
    name="transitions_schedule",
    job=transitions_job,
    cron_schedule="0 * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every hour: transitions of bookings and invoices that are due.",
)


@dg.schedule(
    job=daily_insights,
    cron_schedule="*/15 * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Once a day, as soon as an organisation's last complete day is ingested.",
)
def insights_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    if is_under_way(context.instance, daily_insights.name):
        return dg.SkipReason("Insights are under way.")
    if not due_queries.organizations_awaiting_insights(get_settings()):
        return dg.SkipReason("Every complete day has insights.")
    return dg.RunRequest()  # no run key: work of a failed run is due again


@dg.schedule(
    job=digest,
    cron_schedule="*/15 * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description=f"Once a day for each organisation, at {DIGEST_HOUR:02}:00 in its own time zone or soon after.",
)
def digest_schedule(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
    if is_under_way(context.instance, digest.name):
        yield dg.SkipReason("A digest is under way.")
        return
    due = due_queries.digests_due(get_settings(), context.scheduled_execution_time, DIGEST_HOUR)
    for org_id, day in due:
        config = {"org_id": str(org_id), "day": str(day)}
        yield dg.RunRequest(run_config={"ops": {"app__digest_deliveries": {"config": config}}})
    if not due:
        yield dg.SkipReason("No digest is due.")


schedules: Final = [pipeline_schedule, transitions_schedule, insights_schedule, digest_schedule]
