"""The last evaluation of each asset check, from the storage of Dagster."""

from collections.abc import Iterable

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluation


def last_results(
    instance: dg.DagsterInstance, keys: Iterable[dg.AssetCheckKey]
) -> dict[dg.AssetCheckKey, AssetCheckEvaluation]:
    """Return the newest completed evaluation of each check that has one."""
    results = {}
    for key, summary in instance.event_log_storage.get_asset_check_summary_records(list(keys)).items():
        record = summary.last_completed_check_execution_record
        if record and record.event and record.event.asset_check_evaluation:
            results[key] = record.event.asset_check_evaluation
    return results
