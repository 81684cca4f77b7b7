"""Variables of dbt: thresholds, metrics, lists of statuses, the horizon of the forecasts, limits of age."""

from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import yaml

from dagster_project.warehouse import metrics
from ml.forecasting import HORIZON_DAYS
from sources import freshness, lifecycle
from sources.insight_values import INSIGHT_STATUSES, SEVERITIES

PROJECT: Final = Path(__file__).parents[2] / "dbt"

# Passed to each command of dbt.
VARIABLES: Final[dict[str, Any]] = {
    **yaml.safe_load((PROJECT / "thresholds.yml").read_text()),
    **metrics.variables(PROJECT),
    "status_groups": lifecycle.GROUPS,
    "firm_groups": [group for group, statuses in lifecycle.GROUPS.items() if set(statuses) <= set(lifecycle.FIRM)],
    "status_counts": lifecycle.COUNTS,
    "waits_for_client": lifecycle.WAITS_FOR_CLIENT,
    "waits_for_payment": lifecycle.WAITS_FOR_PAYMENT,
    "work_begun": lifecycle.ANSWERABLE,
    "work_rests": lifecycle.WORK_RESTING,
    "work_over": lifecycle.WORK_OVER,
    "severities": SEVERITIES,
    "insight_statuses": INSIGHT_STATUSES,
    # The lead times of fct_bookings_on_hand, and the days before and after as_of that the workload shows.
    "horizon_days": HORIZON_DAYS,
    "late_hours": freshness.LATE_AFTER // timedelta(hours=1),
    "stale_hours": freshness.STALE_AFTER // timedelta(hours=1),
}
