"""Jobs: the assets that each one materialises."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import dagster as dg

from dagster_project.automation.import_job import import_job
from dagster_project.automation.timed_transitions_job import transitions_job
from dagster_project.delivery import assets as delivery
from dagster_project.ingestion import assets as ingestion
from dagster_project.insights import assets as insights
from dagster_project.modelling import assets as modelling

LOST_AFTER: Final = timedelta(hours=1)  # a run without an event for longer was killed
BEGINNING: Final = (dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING)
RUNNING: Final = (*BEGINNING, dg.DagsterRunStatus.STARTED)
WAREHOUSE_GROUPS: Final = ("staging", "snapshots", "intermediate", "marts", "analytics")

digest_deliveries: Final = dg.AssetSelection.assets(delivery.digest_deliveries)
deliveries: Final = dg.AssetSelection.assets(delivery.notification_deliveries)
models_and_insights: Final = dg.AssetSelection.groups(modelling.GROUP, insights.GROUP)

hub_run: Final = dg.define_asset_job(
    "hub_run",
    selection=dg.AssetSelection.all() - digest_deliveries,
    description="The main job, end to end: ingest, build, model, insights, deliver. `hub run` executes it.",
)
pipeline: Final = dg.define_asset_job(
    "pipeline",
    selection=dg.AssetSelection.groups(ingestion.GROUP, *WAREHOUSE_GROUPS),
    description="Ingest changed rows and update the warehouse.",
)
daily_insights: Final = dg.define_asset_job(
    "daily_insights",
    selection=models_and_insights
    | (models_and_insights.downstream() & dg.AssetSelection.groups("intermediate", "analytics"))
    | deliveries,
    description="Detect anomalies, forecast, update insights and send their messages.",
)
deliver: Final = dg.define_asset_job(
    "deliver", selection=deliveries, description="Send what is due in the delivery ledger."
)
digest: Final = dg.define_asset_job(
    "digest", selection=digest_deliveries | deliveries, description="Enqueue the daily digests and send them."
)
# Any: Dagster does not export the type of an asset job.
jobs: Final[list[Any]] = [hub_run, pipeline, daily_insights, deliver, digest, transitions_job, import_job]


def is_under_way(instance: dg.DagsterInstance, job: str, statuses: Sequence[dg.DagsterRunStatus] = RUNNING) -> bool:
    """Return True if a run of `job` has one of `statuses`; one without an event for LOST_AFTER does not count."""
    updated_since = datetime.now(UTC) - LOST_AFTER
    found = dg.RunsFilter(job_name=job, statuses=list(statuses), updated_after=updated_since)
    return instance.get_runs_count(found) > 0
