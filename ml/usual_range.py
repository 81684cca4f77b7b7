"""The usual range of a figure, learnt from its own earlier values."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

LEAST_VALUES: Final = 8  # of fewer, neither the middle nor the spread says much
SPREADS: Final = 3.0  # robust standard deviations on each side: a weekly figure leaves them about once in seven years
# A normal distribution has a standard deviation of 1.483 times its median deviation, and of its quartiles' distance
# over 1.349. The larger one counts: values in two clusters have a small median deviation.
DEVIATIONS_PER_SPREAD: Final = 1.483
QUARTILES_PER_SPREAD: Final = 1.349


class UsualRange(NamedTuple):
    """Middle and bounds of what is usual."""

    middle: float
    lower: float
    upper: float


def usual_range(earlier: Sequence[float], *, least_spread: float = 0.0) -> UsualRange | None:
    """Return the range of the earlier values, at least SPREADS x `least_spread` wide on each side; None if too few."""
    values = np.asarray(earlier, dtype=float)
    values = values[np.isfinite(values)]
    if len(values) < LEAST_VALUES:
        return None
    middle = float(np.median(values))
    quartiles = np.quantile(values, [0.25, 0.75])
    spread = max(
        DEVIATIONS_PER_SPREAD * float(np.median(np.abs(values - middle))),
        float(quartiles[1] - quartiles[0]) / QUARTILES_PER_SPREAD,
        least_spread,
    )
    return UsualRange(middle, middle - SPREADS * spread, middle + SPREADS * spread)
