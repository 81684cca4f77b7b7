"""Prediction of the filter's residuals by gradient boosting over all series of a call.

LightGBM (Ke et al. 2017) learns what a linear model cannot: that the fortnight, the end of the month or the days
between two holidays matter in some series and not in others.
"""

from typing import Any, Final

import numpy as np

from ml.anomalies_features import BLOCK, Past, tree_rows
from ml.boosting_library import lightgbm
from ml.panel import Floats

WARM_UP: Final = 56  # days before the first row
FIT_BLOCKS: Final = 4  # blocks that one fit predicts; fits are at fixed positions, so that later days change nothing
FEWEST_ROWS: Final = 600  # with fewer training rows no model is fitted
SERIES_PER_BLOCK: Final = 24  # drawn as training series, at most: bounds the rows whatever the number of series
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
    """Return the predicted residuals (series, day), in spreads, of days from `needed` on; NaN without a model."""
    count, length = past.recent.shape
    predicted = np.full((count, length), np.nan)
    rows: list[Floats] = []
    targets: list[Floats] = []
    positions: list[Floats] = []
    model: Any | None = None
    for number, begin in enumerate(range(WARM_UP, length, BLOCK)):
        block = slice(begin, begin + BLOCK)
        if begin + FIT_BLOCKS * BLOCK > needed and number % FIT_BLOCKS == 0:
            model = _fitted(rows, targets, positions)
        if model is not None and block.stop > needed:
            flat = tree_rows(block, past).reshape(-1, model.num_feature())
            predicted[:, block] = np.asarray(model.predict(flat, num_threads=1)).reshape(-1, BLOCK)
        training = past
        if count > SERIES_PER_BLOCK:
            drawn = np.random.default_rng(number).choice(count, SERIES_PER_BLOCK, replace=False)
            training = past.of(np.sort(drawn))
        known = training.known[:, block]
        rows.append(tree_rows(block, training)[known])
        targets.append(training.target[:, block][known])
        positions.append(np.broadcast_to(np.arange(block.start, block.stop, dtype=float), known.shape)[known])
    return predicted


def _fitted(rows: list[Floats], targets: list[Floats], positions: list[Floats]) -> Any | None:
    """Return the model of the rows, those of newer positions weighing more; None with too few or without LightGBM."""
    library = lightgbm()
    if library is None or sum(map(len, rows)) < FEWEST_ROWS:
        return None
    position = np.concatenate(positions)
    weight = 0.5 ** ((position.max() - position) / HALF_LIFE)
    data = library.Dataset(np.concatenate(rows), np.concatenate(targets), weight=weight)
    return library.train(PARAMETERS, data, num_boost_round=ROUNDS)
