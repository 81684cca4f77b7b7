"""One run of the main job in this process, for `hub run`."""

import logging
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Final
from uuid import UUID

import dagster as dg
import psycopg
from psycopg import sql

from dagster_project.automation import failure_alerts
from dagster_project.automation.jobs import hub_run
from dagster_project.automation.jobs import jobs as all_jobs
from dagster_project.definitions import defs
from dagster_project.ingestion.run_clock import clock_notes
from dagster_project.instance import fail_killed_runs
from dagster_project.organization_failures import failures_by_organization
from notifications.sending import deliver_due
from sources import database
from sources.settings import Settings

ESTIMATED_FROM: Final = 500_000  # rows: counting 60 million takes longer than the rest of an unchanged run
LAYERS: Final = {"app": "operational", "raw": "landed", "marts": "marts", "ml": "model outputs"}


@dataclass(frozen=True)
class RunOutcome:
    """The outcome of a run. seconds: by stage, in the order of the data; notes: organisations whose data ended or have
    not begun."""

    run_id: str
    failures: dict[str, str]
    warnings: dict[str, str]
    seconds: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def has_succeeded(self) -> bool:
        """Return True if nothing failed; warnings do not count."""
        return not self.failures


def execute(
    settings: Settings, *, as_of: date | None, on_step: Callable[[str], None], now: datetime | None = None
) -> RunOutcome:
    """Ingest, build, model, make insights and deliver; then report failures.

    `on_step` is called with the name of each step that starts; `now`: the moment of the run (default: its start).
    The database and the Dagster instance must be prepared.
    """
    with dg.DagsterInstance.get() as instance:
        # Otherwise Dagster opens a connection for each event: 1,300 per run, half of its time.
        instance.optimize_for_webserver(statement_timeout=60_000, pool_recycle=3600, max_overflow=10)
        fail_killed_runs(settings, instance, hub_run.name)
        result = _execute(instance, _clock(as_of, now), on_step)
        checks = list(defs.resolve_asset_graph().asset_check_keys)
        current = failure_alerts.current_failures(instance, [job.name for job in all_jobs], checks)
    if failure_alerts.report(settings, current).opened:
        deliver_due(settings, now=lambda: datetime.now(UTC))
    with database.connect(database.database_url(settings)) as connection:
        landed = connection.execute("select to_regclass('raw.organizations')").fetchone()
        has_landed = landed != (None,)  # the first run may have failed before
        own, notes = (_organization_failures(connection), clock_notes(connection)) if has_landed else ({}, [])
    return RunOutcome(result.run_id, {**_failures(result), **own}, _warnings(result), _seconds(result), notes)


def _clock(as_of: date | None, now: datetime | None) -> dict[str, str]:
    """Return the configuration of the asset raw/run_clock."""
    return {name: value.isoformat() for name, value in (("as_of", as_of), ("now", now)) if value}


def _execute(
    instance: dg.DagsterInstance, clock: dict[str, str], on_step: Callable[[str], None]
) -> dg.ExecuteInProcessResult:
    @dg.logger
    def progress(_: dg.InitLoggerContext) -> logging.Logger:
        logger = logging.Logger("hub", level=logging.DEBUG)
        logger.addHandler(_StepHandler(on_step))
        return logger

    job = dg.Definitions.merge(defs, dg.Definitions(loggers={"progress": progress})).resolve_job_def(hub_run.name)
    return job.execute_in_process(
        instance=instance,
        raise_on_error=False,
        run_config={"loggers": {"progress": {}}, "ops": {"raw__run_clock": {"config": clock}}},
    )


class _StepHandler(logging.Handler):
    """Calls on_step with the name of each step that starts."""

    def __init__(self, on_step: Callable[[str], None]) -> None:
        super().__init__()
        self._on_step = on_step

    def emit(self, record: logging.LogRecord) -> None:
        dagster_event = getattr(record, "dagster_meta", {}).get("dagster_event")
        if dagster_event is not None and dagster_event.event_type == dg.DagsterEventType.STEP_START:
            self._on_step(dagster_event.step_key)


def _failures(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    failed_steps = {
        step_event.step_key or "run": failure_alerts.failure_message(step_event)
        for step_event in result.all_events
        if step_event.event_type == dg.DagsterEventType.STEP_FAILURE
    }
    return {**failed_steps, **_failed_checks(result, dg.AssetCheckSeverity.ERROR)}


def _organization_failures(connection: psycopg.Connection) -> dict[str, str]:
    names: dict[UUID, str] = dict(connection.execute("select id, name from raw.organizations").fetchall())
    return {
        f"{step} of {names.get(org_id, org_id)}": message
        for org_id, messages in failures_by_organization(connection).items()
        for step, message in messages.items()
    }


def _warnings(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    return _failed_checks(result, dg.AssetCheckSeverity.WARN)


def _failed_checks(result: dg.ExecuteInProcessResult, severity: dg.AssetCheckSeverity) -> dict[str, str]:
    return {
        f"check {check.check_name} of {check.asset_key.to_user_string()}": check.description or "The check failed."
        for check in result.get_asset_check_evaluations()
        if not check.passed and check.severity == severity
    }


def _seconds(result: dg.ExecuteInProcessResult) -> dict[str, float]:
    """Return the seconds of each stage, in the order of the data."""
    seconds: defaultdict[str, float] = defaultdict(float)
    for step_event in result.all_events:
        if step_event.event_type == dg.DagsterEventType.STEP_SUCCESS:
            seconds[_stage(step_event.step_key or "")] += step_event.step_success_data.duration_ms / 1000
    return {stage: seconds[stage] for stage in STAGES if stage in seconds}


STAGES: Final = ("ingest", "check", "build", "model", "insights", "deliver")


def _stage(step: str) -> str:
    for prefix, stage in (("raw__", "ingest"), ("raw_expectations", "check"), ("dbt_", "build"), ("ml__", "model")):
        if step.startswith(prefix):
            return stage
    return "deliver" if step == "app__notification_deliveries" else "insights"


def rows_by_layer(connection: psycopg.Connection) -> tuple[dict[str, dict[str, int]], dict[str, list[str]]]:
    """Return the number of rows of each table (layer -> table -> rows), and by layer the names of large tables.

    The number of a large one is the estimate of PostgreSQL.
    """
    tables = connection.execute(
        """
        select relnamespace::regnamespace::text, relname, reltuples::bigint from pg_class
        where relkind = 'r' and relnamespace = any(select oid from pg_namespace where nspname = any(%s))
            and oid <> 'raw.model_states'::regclass
        order by 1, 2
        """,
        [list(LAYERS)],
    ).fetchall()
    rows: dict[str, dict[str, int]] = {layer: {} for layer in LAYERS.values()}
    estimated: dict[str, list[str]] = {layer: [] for layer in LAYERS.values()}
    for schema, table, estimate in tables:
        layer = LAYERS[schema]
        if estimate > ESTIMATED_FROM:
            rows[layer][table] = estimate
            estimated[layer].append(table)
        else:
            rows[layer][table] = _count(connection, schema, table)
    return rows, estimated


def _count(connection: psycopg.Connection, schema: str, table: str) -> int:
    counted = connection.execute(sql.SQL("select count(*) from {}").format(sql.Identifier(schema, table))).fetchone()
    return counted[0] if counted else 0
