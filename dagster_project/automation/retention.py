"""Runs of Dagster that have ended are deleted with their event logs after sources.retention.DAGSTER_DAYS."""

from datetime import datetime, timedelta
from typing import Final

import dagster as dg

from sources import retention

BATCH: Final = 200  # runs an hour, so that the job stays short


def prune_runs(instance: dg.DagsterInstance, as_of: datetime) -> int:
    """Delete the oldest runs that are due; return their number. The run that last made an asset stays."""
    ended = dg.RunsFilter(
        statuses=[dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED],
        created_before=as_of - timedelta(days=retention.DAGSTER_DAYS),
    )
    due = instance.get_run_records(ended, limit=BATCH, ascending=True)
    if not due:
        return 0
    records = instance.get_asset_records()
    made = {record.asset_entry.last_materialization_record.run_id for record in records
            if record.asset_entry.last_materialization_record}  # fmt: skip
    gone = [record.dagster_run.run_id for record in due if record.dagster_run.run_id not in made]
    for run_id in gone:
        instance.delete_run(run_id)
    return len(gone)
