"""The variables that dbt takes from Python: the lists of statuses, from sources/lifecycle.py."""

from typing import Any, Final

from sources import lifecycle

VARIABLES: Final[dict[str, Any]] = {
    "status_groups": lifecycle.GROUPS,
    "status_counts": lifecycle.COUNTS,
    "waits_for_client": lifecycle.WAITS_FOR_CLIENT,
    "waits_for_payment": lifecycle.WAITS_FOR_PAYMENT,
    "work_begun": lifecycle.ANSWERABLE,
    "work_rests": lifecycle.WORK_RESTING,
    "work_over": lifecycle.WORK_OVER,
}
