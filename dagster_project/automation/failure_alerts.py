"""Failures of the Hub itself: a failed run, check, schedule, sensor or delivery becomes a `pipeline` insight."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from uuid import UUID

import dagster as dg
import psycopg

from dagster_project.insights.messages import enqueue_changes
from dagster_project.organization_failures import MESSAGE_MAX, failures_by_organization, first_line
from dagster_project.quality.check_results import last_results
from insights.events import Changes, update_events
from insights.failures import failure_findings
from insights.organizations import organizations_of_run
from sources import database
from sources.settings import Settings


def current_failures(instance: dg.DagsterInstance, jobs: list[str], checks: list[dg.AssetCheckKey]) -> dict[str, str]:
    """Return the current failures of the Dagster instance: name -> error message. Empty if there are none.

    Read from state (the last finished run of each job, the last result of each check), so that none is missed between
    two calls.
    """
    return {
        **dict(_failed_jobs(instance, jobs)),
        **dict(_failed_checks(instance, checks)),
        **dict(_failed_instigators(instance)),
    }


def dead_deliveries(connection: psycopg.Connection) -> dict[UUID, dict[str, str]]:
    """Return the channels with dead deliveries of the last day: organisation -> name -> the last error, a sentence."""
    rows = connection.execute(
        """
        select channels.org_id, 'delivery to ' || channels.name, count(*), max(deliveries.last_error)
        from app.notification_deliveries as deliveries
        inner join app.notification_channels as channels on channels.id = deliveries.channel_id
        where deliveries.state = 'dead' and channels.is_active and deliveries.updated_at > now() - interval '1 day'
        group by channels.org_id, channels.name
        order by channels.name
        """
    )
    dead: defaultdict[UUID, dict[str, str]] = defaultdict(dict)
    for org_id, name, number, error in rows:
        dead[org_id][name] = f"{number} not delivered in the last day; the last error was: {error}"
    return dead


def report(settings: Settings, failures: Mapping[str, str]) -> Changes:
    """Notify the administrators of every organisation of `failures` and of its own ones; resolve those that ended."""
    opened, resolved = [], []
    with database.connect(database.database_url(settings)) as connection:
        built = connection.execute("select to_regclass('staging.stg_app__organizations')").fetchone()
        if built == (None,):  # the first run failed before organisations were known
            return Changes()
        dead, own = dead_deliveries(connection), failures_by_organization(connection)
        for organization in organizations_of_run(connection):
            of_organization = {**dead.get(organization.id, {}), **own.get(organization.id, {})}
            findings = failure_findings(organization, {**failures, **of_organization})
            changes = update_events(connection, organization, findings, kinds=["pipeline"])
            enqueue_changes(connection, organization, changes, now=datetime.now(UTC))
            opened += changes.opened
            resolved += changes.resolved
    return Changes(opened=opened, resolved=resolved)


def failure_message(step_event: dg.DagsterEvent) -> str:
    """Return the error message of a failed step, of its innermost cause and without the traceback."""
    error = step_event.step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    text = error.message if error else (step_event.message or "")
    _, _, without_class = text.partition(": ")
    return first_line(without_class or text)


def _failed_jobs(instance: dg.DagsterInstance, jobs: list[str]) -> Iterator[tuple[str, str]]:
    finished = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
    for job in jobs:
        runs = instance.get_runs(dg.RunsFilter(job_name=job, statuses=finished), limit=1)
        if runs and runs[0].status == dg.DagsterRunStatus.FAILURE:
            entries = instance.all_logs(runs[0].run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
            steps = [entry.dagster_event for entry in entries if entry.dagster_event]
            messages = "; ".join(f"{step.step_key}: {failure_message(step)}" for step in steps)
            yield f"job {job}", messages or "The run failed before its first step; see the run in Dagster."


def _failed_checks(instance: dg.DagsterInstance, checks: list[dg.AssetCheckKey]) -> Iterator[tuple[str, str]]:
    for key, result in sorted(last_results(instance, checks).items(), key=lambda item: str(item[0])):
        if not result.passed and result.severity == dg.AssetCheckSeverity.ERROR:
            message = result.description or "The check failed; its metadata in Dagster shows the rows."
            yield f"check {key.name} of {key.asset_key.to_user_string()}", message[:MESSAGE_MAX]


def _failed_instigators(instance: dg.DagsterInstance) -> Iterator[tuple[str, str]]:
    """Yield the schedules and sensors whose last tick failed: Dagster itself notifies nobody of these."""
    for state in instance.all_instigator_state():
        ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
        if ticks and ticks[0].is_failure and ticks[0].error:
            kind = state.instigator_type.value.lower()
            yield f"{kind} {state.instigator_name}", first_line(ticks[0].error.message)
