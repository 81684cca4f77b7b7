"""The Hub's own failures, made loud: a failed run, check, sensor or delivery becomes an insight of kind `pipeline`."""

import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Final
from uuid import UUID

import dagster as dg
import psycopg

from dagster_project import insight_events
from dagster_project.verdicts import last_verdicts
from insights import findings
from sources import database
from sources.settings import Settings

SENTENCE_MAX: Final = 400


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


@contextmanager
def apart(connection: psycopg.Connection, org_id: UUID, as_of: date, step: str) -> Iterator[None]:
    """Do one organisation's part of a step: where it fails it is undone and recorded, and the caller goes on."""
    try:
        with connection.transaction():
            yield
    except Exception as error:  # whatever it is, it must not become the trouble of the others
        logging.getLogger(__name__).exception("%s failed for organisation %s", step, org_id)
        connection.execute(
            "insert into raw.run_failures (org_id, step, as_of, message) values (%s, %s, %s, %s) "
            "on conflict (org_id, step) do update set as_of = excluded.as_of, message = excluded.message",
            [org_id, step, as_of, first_line(str(error) or type(error).__name__)],
        )


def forget_failures(connection: psycopg.Connection, step: str) -> None:
    """Begin a step anew: what it then cannot do is recorded again."""
    connection.execute("delete from raw.run_failures where step = %s", [step])


def failures_apart(connection: psycopg.Connection) -> dict[UUID, dict[str, str]]:
    """What the last run could not do: organisation -> step -> what it said."""
    failures: defaultdict[UUID, dict[str, str]] = defaultdict(dict)
    for org_id, step, message in connection.execute(
        "select org_id, step, message from raw.run_failures order by org_id, step"
    ):
        failures[org_id][f"step {step}"] = message
    return failures


def report(settings: Settings, failures: Mapping[str, str]) -> insight_events.Changes:
    """Tell every organisation's administrators of `failures` and of its own; what is over is resolved."""
    opened, resolved = [], []
    with database.connect(database.database_url(settings)) as connection:
        known = connection.execute("select to_regclass('staging.stg_app__organizations')").fetchone()
        if known == (None,):  # the first run failed before there was anybody to tell
            return insight_events.Changes([], [])
        shared, own = {**failures, **dead_deliveries(connection)}, failures_apart(connection)
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


def first_line(text: str) -> str:
    """The first line of what an error said, as long as a message can bear; also of one that said nothing."""
    return (text.strip().splitlines() or ["It failed without a word."])[0][:SENTENCE_MAX]


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
