"""Prediction intervals from the errors that the same method made from past origins (conformal, by horizon).

The quantiles are split conformal ones (Vovk, Gammerman, Shafer 2005) over weekly origins, in units that grow with the
forecast; where too few origins are known, a t interval from the spread of the last weeks.
"""

import numpy as np
from scipy import special

from ml.panel import Flags, Floats

# Chosen by rolling origins on public daily series and a hotel's revenue: docs/methods.md has the measurement.
ENOUGH_ORIGINS = 10  # with fewer: intervals from the spread of the values
NEIGHBOURS = 3  # steps on each side that share their errors
SIZE_POWER = 0.35  # errors grow with this power of the forecast: 0 undercovered growing seasons, 1 was too wide
SIZE_FLOOR = 0.1  # of the usual value: what errors do not fall below
SPREAD_DAYS = 56  # what the spread is taken from


def size(forecasts: Floats, values: Floats) -> Floats:
    """What errors (series, origin, step) are measured in: they grow with the forecast, though less than it does."""
    usual = np.nansum(np.abs(values), axis=1) / np.maximum((~np.isnan(values)).sum(axis=1), 1)
    usual = np.where(usual > 0, usual, 1.0)[:, None, None]
    return np.asarray((np.abs(forecasts) / usual + SIZE_FLOOR) ** SIZE_POWER)


def pool(errors: Floats) -> Floats:
    """Errors (series, origin, step) as (series, step, errors of that and the neighbouring steps)."""
    steps = errors.shape[2]
    near = np.arange(steps)[:, None] + np.arange(-NEIGHBOURS, NEIGHBOURS + 1)[None, :]
    inside = (near >= 0) & (near < steps)
    pooled = np.where(inside, errors[:, :, np.clip(near, 0, steps - 1)], np.nan)
    return pooled.transpose(0, 2, 1, 3).reshape(len(errors), steps, errors.shape[1] * near.shape[1])


def bounds(
    centre: Floats,
    unit: Floats,
    errors: Floats,
    values: Floats,
    *,
    short: Flags,
    settled: Flags,
    nonnegative: Flags,
    levels: tuple[int, ...],
) -> dict[int, tuple[Floats, Floats]]:
    """Lower and upper bound (series, step) of each level: quantiles of past errors, or a t interval without any."""
    pooled = np.sort(pool(errors), axis=2)
    enough = (~np.isnan(errors)).sum(axis=1) >= ENOUGH_ORIGINS
    lower, upper = centre, centre
    result = {}
    for level in levels:
        tail = (1 - level / 100) / 2
        below, above = (unit * _quantile(pooled, share, errors.shape[1]) for share in (tail, 1 - tail))
        width = spread(values)[:, None] * np.sqrt(1 + np.arange(1, centre.shape[1] + 1) / 28)
        count = (~np.isnan(values)).sum(axis=1)
        width = width * special.stdtrit(np.clip(count - 1, 2, None), 1 - tail)[:, None]
        use = enough & ~short[:, None]
        below, above = np.where(use, below, -width), np.where(use, above, width)
        below, above = (np.where(settled[:, None], 0.0, side) for side in (below, above))
        lower, upper = np.minimum(lower, centre + below), np.maximum(upper, centre + above)
        lower = np.where(nonnegative[:, None], np.maximum(lower, 0.0), lower)
        result[level] = (lower, upper)
    return result


def moved(
    bounds: dict[int, tuple[Floats, Floats]], before: Floats, after: Floats, nonnegative: Flags
) -> dict[int, tuple[Floats, Floats]]:
    """Bounds (series, step) that follow their forecast from `before` to `after`."""
    floor = np.where(nonnegative, 0.0, -np.inf)[:, None]
    shift = after - before
    return {
        level: (np.minimum(np.maximum(lower + shift, floor), after), np.maximum(upper + shift, after))
        for level, (lower, upper) in bounds.items()
    }


def variance(errors: Floats, values: Floats) -> Floats:
    """Mean square (series, step) of past errors (series, origin, step); of the last weeks' spread where none is."""
    pooled = pool(errors)
    known = (~np.isnan(pooled)).sum(axis=2)
    mean = np.nansum(pooled**2, axis=2) / np.maximum(known, 1)
    return np.asarray(np.where(known > 0, mean, spread(values)[:, None] ** 2))


def _quantile(ordered: Floats, share: float, origins: int) -> Floats:
    """Quantile over the last axis (sorted, NaN last), a little outward: few origins know little of the tails."""
    if ordered.shape[2] == 0:
        return np.zeros(ordered.shape[:2])
    count = (~np.isnan(ordered)).sum(axis=2)
    outward = 0.5 + (share - 0.5) * (1 + 1 / max(origins, 1))
    place = np.clip(outward, 0, 1) * np.maximum(count - 1, 0)
    low = np.floor(place).astype(int)
    high = np.minimum(low + 1, np.maximum(count - 1, 0))
    below = np.take_along_axis(ordered, low[:, :, None], axis=2)[:, :, 0]
    above = np.take_along_axis(ordered, high[:, :, None], axis=2)[:, :, 0]
    return np.asarray(np.nan_to_num(below + (above - below) * (place - low)))


def spread(values: Floats) -> Floats:
    """Standard deviation of the last eight weeks; of a single value, its size."""
    recent = values[:, -SPREAD_DAYS:]
    count = (~np.isnan(recent)).sum(axis=1)
    mean = np.nansum(recent, axis=1) / np.maximum(count, 1)
    squares = np.nansum((recent - mean[:, None]) ** 2, axis=1)
    return np.asarray(np.where(count > 1, np.sqrt(squares / np.maximum(count - 1, 1)), np.abs(mean)))
