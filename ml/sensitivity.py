"""Budgets of false alarms: how improbable a day must be to be told, for each sensitivity."""

from collections.abc import Mapping
from typing import Final

# Chance of a day at which it is told. The budgets are 0.2, 0.5 and 1.5 false-alarm days in 100 series-days, and were
# measured with these (docs/methods.md).
RATES: Final[Mapping[str, float]] = {"quiet": 0.0010, "normal": 0.0062, "keen": 0.0186}
# Shares of the budget: of the evidence of a single day, and of that of several days together (`ml.shifts`).
DAY_SHARE: Final = 0.25
WINDOW_SHARE: Final = 1 - DAY_SHARE


def rate_of(sensitivity: str) -> float:
    """Return the chance at which a day is told; raises ValueError for a sensitivity that does not exist."""
    if sensitivity not in RATES:
        raise ValueError(f"sensitivity must be one of {', '.join(RATES)}, not {sensitivity!r}")
    return RATES[sensitivity]
