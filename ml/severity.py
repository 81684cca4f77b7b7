"""Severity of an anomaly: how improbable it is and, where money is known, how much it costs or brings."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.panel import Floats

# By improbability: the least score of each severity. By size, where money is known: the amount that the day lost or
# gained, as a share of a usual day of the largest series; the severity is at most the one that the size allows.
SEVERITY: Final = {"critical": 5.0, "high": 4.0, "medium": 3.0, "low": 0.0}
LEAST_SIZE: Final = {"critical": 0.25, "high": 0.10, "medium": 0.03, "low": 0.0}
USUAL_DAYS: Final = 28  # before a day, whose mean is a usual day
SMALLEST_CHANCE: Final = 1e-12  # the score of less is that of this
SMALLEST: Final = 1e-9

Labels = npt.NDArray[np.object_]
Money = float | Mapping[str, float]


def score_of(chance: Floats) -> Floats:
    """Return the score of each chance: its negative decimal logarithm."""
    return np.asarray(-np.log10(np.clip(chance, SMALLEST_CHANCE, 1.0)))


def severity_of(score: Floats, size: Floats | None = None) -> Labels:
    """Return the severity of each anomaly by its score and, where known, its size."""
    by_score = np.select([score >= least for least in SEVERITY.values()], list(range(4)), default=3)
    if size is not None:
        by_score = np.maximum(by_score, np.select([size >= least for least in LEAST_SIZE.values()], list(range(4)), 3))
    names: Labels = np.array(list(SEVERITY), dtype=object)
    return np.asarray(names[by_score], dtype=object)


def size_of(change: Floats, amounts: Floats, series: pd.Index, money: Money | None) -> Floats | None:
    """Return the money of each change as a share of a usual day of the largest series; infinite where it has no worth.

    change: (series, judged day) difference from the expected amount; amounts: (series, day), NaN for missing, the last
    days being the judged ones; money: worth of one unit of an amount, for all or by series; None where none is known.
    """
    if money is None:
        return None
    of_series = [float(money.get(str(name), 0.0)) if isinstance(money, Mapping) else float(money) for name in series]
    worth = np.array(of_series).reshape(-1, 1)
    total = np.pad(np.cumsum(np.abs(np.nan_to_num(amounts)) * worth, axis=1), ((0, 0), (1, 0)))
    day = np.arange(amounts.shape[1] - change.shape[1], amounts.shape[1])
    begin = np.maximum(day - USUAL_DAYS, 0)
    usual = ((total[:, day] - total[:, begin]) / np.maximum(day - begin, 1)).max(axis=0, initial=0.0)
    share = np.abs(np.nan_to_num(change)) * worth / np.maximum(usual, SMALLEST)
    return np.where(worth > 0, share, np.inf)
