"""Variables of dbt that Python defines: the lists of statuses, and the horizon of the forecasts."""

from typing import Any, Final

from ml.forecasting import HORIZON_DAYS
from sources import lifecycle

VARIABLES: Final[dict[str, Any]] = {
    "status_groups": lifecycle.GROUPS,
    "status_counts": lifecycle.COUNTS,
    "waits_for_client": lifecycle.WAITS_FOR_CLIENT,
    "waits_for_payment": lifecycle.WAITS_FOR_PAYMENT,
    "work_begun": lifecycle.ANSWERABLE,
    "work_rests": lifecycle.WORK_RESTING,
    "work_over": lifecycle.WORK_OVER,
    "horizon_days": HORIZON_DAYS,  # days ahead that are forecast, and lead times in fct_bookings_on_hand
    "workload_days": HORIZON_DAYS,  # days before and after as_of that the workload shows
}
