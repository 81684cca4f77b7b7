"""What the filter will miss, learnt by gradient boosting over all series of a call.

LightGBM (Ke et al. 2017) sees what a line cannot: that the fortnight, the end of the month or the days between two
holidays matter in some series and not in others.
"""

from typing import Any, Final

import numpy as np

from ml.anomalies_features import BLOCK, Past, tree_rows
from ml.boosting_library import lightgbm
from ml.panel import Floats

WARM_UP: Final = 56  # days before the first row
FIT_BLOCKS: Final = 4  # blocks that one fit serves; fits stand at fixed places, so that later days change nothing
FEWEST_ROWS: Final = 600  # with fewer there is nothing to learn from
SERIES_A_BLOCK: Final = 24  # drawn to teach, at most: bounds the rows whatever the number of series
HALF_LIFE: Final = 1000  # days after which a row weighs half
ROUNDS: Final = 120
PARAMETERS: Final[dict[str, Any]] = {
    "objective": "l2",
    "learning_rate": 0.06,
    "num_leaves": 16,
    "min_data_in_leaf": 30,
    "feature_fraction": 0.5,
    "lambda_l2": 5.0,
    "max_bin": 63,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "seed": 1,
    "verbosity": -1,
}


def boosted(past: Past, needed: int) -> Floats:
    """What the filter will miss, in spreads (series, day), of days from `needed` on; NaN where it cannot be said."""
    count, length = past.recent.shape
    missed = np.full((count, length), np.nan)
    rows: list[Floats] = []
    targets: list[Floats] = []
    ages: list[Floats] = []
    model: Any | None = None
    for place, begin in enumerate(range(WARM_UP, length, BLOCK)):
        block = slice(begin, begin + BLOCK)
        if begin + FIT_BLOCKS * BLOCK > needed and place % FIT_BLOCKS == 0:
            model = _fitted(rows, targets, ages)
        if model is not None and block.stop > needed:
            flat = tree_rows(block, past).reshape(-1, model.num_feature())
            missed[:, block] = np.asarray(model.predict(flat, num_threads=1)).reshape(-1, BLOCK)
        teachers = past
        if count > SERIES_A_BLOCK:
            drawn = np.random.default_rng(place).choice(count, SERIES_A_BLOCK, replace=False)
            teachers = past.of(np.sort(drawn))
        known = teachers.known[:, block]
        rows.append(tree_rows(block, teachers)[known])
        targets.append(teachers.target[:, block][known])
        ages.append(np.broadcast_to(np.arange(block.start, block.stop, dtype=float), known.shape)[known])
    return missed


def _fitted(rows: list[Floats], targets: list[Floats], days: list[Floats]) -> Any | None:
    library = lightgbm()
    if library is None or sum(map(len, rows)) < FEWEST_ROWS:
        return None
    day = np.concatenate(days)
    weight = 0.5 ** ((day.max() - day) / HALF_LIFE)
    data = library.Dataset(np.concatenate(rows), np.concatenate(targets), weight=weight)
    return library.train(PARAMETERS, data, num_boost_round=ROUNDS)
