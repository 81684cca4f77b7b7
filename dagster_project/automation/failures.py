"""The Hub's own failures, made loud: a failed run, check, sensor or delivery becomes an insight of kind `pipeline`."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import dagster as dg
import psycopg

from dagster_project.quality.verdicts import last_verdicts
from dagster_project.run_failures import SENTENCE_MAX, failures_by_organization, first_line
from insights import events as insight_events
from insights import findings
from sources import database
from sources.settings import Settings


def current_failures(instance: dg.DagsterInstance, jobs: list[str], checks: list[dg.AssetCheckKey]) -> dict[str, str]:
    """What stands failed now: the name of the thing -> what it said. Empty when all is well.

    Read from state (each job's last finished run, each check's last result), so that nothing is missed between looks.
    """
    return {
        **dict(_failed_jobs(instance, jobs)),
        **dict(_failed_checks(instance, checks)),
        **dict(_failed_instigators(instance)),
    }


def dead_deliveries(connection: psycopg.Connection) -> dict[str, str]:
    """Messages that were given up on: channel -> why."""
    rows = connection.execute(
        """
        select 'delivery to ' || channel.name, count(*), max(delivery.last_error)
        from app.notification_deliveries as delivery
        inner join app.notification_channels as channel on channel.id = delivery.channel_id
        where delivery.state = 'dead' and channel.is_active and delivery.updated_at > now() - interval '1 day'
        group by channel.name
        order by channel.name
        """
    )
    return {
        name: f"{number} not delivered in the last day; the last answer was: {error}" for name, number, error in rows
    }


def report(settings: Settings, failures: Mapping[str, str]) -> insight_events.Changes:
    """Tell every organisation's administrators of `failures` and of its own; what is over is resolved."""
    opened, resolved = [], []
    with database.connect(database.database_url(settings)) as connection:
        known = connection.execute("select to_regclass('staging.stg_app__organizations')").fetchone()
        if known == (None,):  # the first run failed before there was anybody to tell
            return insight_events.Changes([], [])
        shared, own = {**failures, **dead_deliveries(connection)}, failures_by_organization(connection)
        for scope in findings.scopes(connection):
            found = findings.pipeline_findings(scope, {**shared, **own.get(scope.org_id, {})})
            changes = insight_events.keep(connection, scope, found, kinds=["pipeline"], now=datetime.now(UTC))
            opened += changes.opened
            resolved += changes.resolved
    return insight_events.Changes(opened, resolved)


def failure_sentence(event: dg.DagsterEvent) -> str:
    """What a failed step said, without the traceback: the message of the innermost cause."""
    error = event.step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    text = error.message if error else (event.message or "")
    _, _, without_class = text.partition(": ")
    return first_line(without_class or text)


def _failed_jobs(instance: dg.DagsterInstance, jobs: list[str]) -> Iterator[tuple[str, str]]:
    finished = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
    for job in jobs:
        runs = instance.get_runs(dg.RunsFilter(job_name=job, statuses=finished), limit=1)
        if runs and runs[0].status == dg.DagsterRunStatus.FAILURE:
            events = instance.all_logs(runs[0].run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
            steps = [entry.dagster_event for entry in events if entry.dagster_event]
            said = "; ".join(f"{step.step_key}: {failure_sentence(step)}" for step in steps)
            yield f"job {job}", said or "The run failed before its first step; see the run in Dagster."


def _failed_checks(instance: dg.DagsterInstance, checks: list[dg.AssetCheckKey]) -> Iterator[tuple[str, str]]:
    for key, verdict in sorted(last_verdicts(instance, checks).items(), key=lambda item: str(item[0])):
        if not verdict.passed and verdict.severity == dg.AssetCheckSeverity.ERROR:
            said = verdict.description or "The check failed; its metadata in Dagster shows what it found."
            yield f"check {key.name} of {key.asset_key.to_user_string()}", said[:SENTENCE_MAX]


def _failed_instigators(instance: dg.DagsterInstance) -> Iterator[tuple[str, str]]:
    """Schedules and sensors whose last tick failed: Dagster itself tells nobody."""
    for state in instance.all_instigator_state():
        ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
        if ticks and ticks[0].is_failure and ticks[0].error:
            kind = state.instigator_type.value.lower()
            yield f"{kind} {state.instigator_name}", first_line(ticks[0].error.message)
