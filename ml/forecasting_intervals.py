"""Prediction intervals from the errors that the same method made from past weekly origins (conformal).

Errors are put into units that grow with the forecast, with the horizon and with how large errors were of late, as known
at their origin (normalised conformal prediction: Lei et al. 2018). Their quantiles, the newer weighing more (Barber,
Candes, Ramdas, Tibshirani 2023), are a compromise between the series' own and those of all series of the call. Where
too few origins are known: a t interval from the spread of the last weeks.
"""

import numpy as np
from scipy import ndimage, signal, special

from ml.panel import Flags, Floats

# Chosen by rolling origins on public daily series, a hotel's revenue and made ones (docs/methods.md).
ENOUGH_ORIGINS = 10  # with fewer: intervals from the spread of the values
NEIGHBOURS = 3  # steps on each side that share their errors; 7 and 14 do as well
SIZE_POWER = 0.35  # errors grow with this power of the forecast: 0 undercovered growing seasons, 1 was too wide
SIZE_FLOOR = 0.1  # of the usual value: what errors do not fall below
WEEK_WEIGHT = 0.95  # each older origin weighs this much of the next; 0.92 to 0.97 cover alike, 1 is 1.5 % worse
LATELY_DAYS = 21  # half-life of what `of late` means, and how many days of the usual size it starts from
OWN_ORIGINS = 5  # independent origins at which own quantiles weigh as much as those of all; 1 to 30 do as well
EVEN_SHARE = 0.5  # how far both sides are drawn to their mean: past bias seldom lasts; 0 costs 3 % of the CRPS
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
    """Lower and upper bound (series, step) of each level, for a forecast (series, step) `centre`.

    errors: from weekly origins, the last a week ago, in the units that `unit` is of the forecast (series, origin,
    step). `short` and `settled` series neither use nor lend their errors.
    """
    tails = np.array([(1 - level / 100) / 2 for level in levels])
    past = _past(errors, tails, lends=~(short | settled))
    enough = (~np.isnan(errors)).sum(axis=1) >= ENOUGH_ORIGINS
    width = spread(values)[:, None] * np.sqrt(1 + np.arange(1, centre.shape[1] + 1) / 28)
    count = (~np.isnan(values)).sum(axis=1)
    lower, upper = centre, centre
    result = {}
    for level, tail, *sides in zip(levels, tails, *past, strict=True):
        plain = width * special.stdtrit(np.clip(count - 1, 2, None), 1 - tail)[:, None]
        below, above = (
            np.where(settled[:, None], 0.0, np.where(enough & ~short[:, None], unit * side, sign * plain))
            for side, sign in zip(sides, (-1, 1), strict=True)
        )
        lower, upper = np.minimum(lower, centre + below), np.maximum(upper, centre + above)
        lower = np.where(nonnegative[:, None], np.maximum(lower, 0.0), lower)
        result[level] = (lower, upper)
    return result


def _past(errors: Floats, tails: Floats, *, lends: Flags) -> tuple[Floats, Floats]:
    """Quantiles (tail, series, step) of past errors (series, origin, step), lower and upper, for the next origin."""
    weight = WEEK_WEIGHT ** np.arange(errors.shape[1], 0, -1.0)
    usual = _by_step(np.abs(errors), weight)
    lately = _lately(errors / usual[:, None, :])
    alike = errors / lately[:, :-1, None]
    scale = _by_step(np.abs(alike), weight)
    shape = (alike / scale[:, None, :]).reshape(len(errors), errors.shape[1] * errors.shape[2])
    own = _quantiles(shape, np.repeat(weight, errors.shape[2]), tails)
    lent = shape[lends].reshape(1, -1)
    shared = _quantiles(lent, np.tile(np.repeat(weight, errors.shape[2]), int(lends.sum())), tails)
    # Weekly origins whose horizons overlap see the same days.
    seen = (~np.isnan(errors[:, :, 0]) * weight).sum(axis=1) * min(1.0, 7 / errors.shape[2])
    trust = (seen / (seen + OWN_ORIGINS))[:, None]
    low, high = np.split(trust * own + (1 - trust) * shared, 2, axis=1)
    half = (high - low) / 2
    reach = scale * lately[:, -1:]
    sides = ((1 - EVEN_SHARE) * side + EVEN_SHARE * even for side, even in ((low, -half), (high, half)))
    below, above = (side.T[:, :, None] * reach for side in sides)
    return below, above


def _by_step(errors: Floats, weight: Floats) -> Floats:
    """Weighted mean (series, step) over the origins and neighbouring steps of (series, origin, step); never zero."""
    known = ~np.isnan(errors)
    kernel = np.ones(2 * NEIGHBOURS + 1)
    total, many = (
        ndimage.convolve1d(np.einsum("soh,o->sh", part, weight), kernel, axis=1, mode="constant")
        for part in (np.where(known, errors, 0.0), known.astype(float))
    )
    return np.asarray(np.maximum(total / np.maximum(many, 1e-12), 1e-12))


def _lately(relative: Floats) -> Floats:
    """How large errors were of late, of their usual size, as known at each origin and the next: (series, origin + 1).

    relative: sizes (series, origin, step) of errors from weekly origins, of their usual size.
    """
    count, origins, steps = relative.shape
    known = ~np.isnan(relative)
    total, many = np.zeros((2, count, 7 * origins + steps + 1))
    for origin in range(origins):
        days = slice(7 * origin + 1, 7 * origin + 1 + steps)
        total[:, days] += np.where(known[:, origin], np.abs(relative[:, origin]), 0.0)
        many[:, days] += known[:, origin]
    fade = 0.5 ** (1 / LATELY_DAYS)
    # A day counts once, however many origins foresaw it.
    size, weight = (
        signal.lfilter([1.0], [1.0, -fade], part, axis=1)[:, : 7 * origins + 1 : 7]
        for part in (total / np.maximum(many, 1), (many > 0).astype(float))
    )
    return np.asarray((size + LATELY_DAYS) / (weight + LATELY_DAYS))


def _quantiles(rows: Floats, weight: Floats, tails: Floats) -> Floats:
    """Weighted quantiles of each row, NaN left out: first those of `tails`, then of their complements (row, share)."""
    result = np.zeros((len(rows), 2 * len(tails)))
    weights = np.where(np.isnan(rows), 0.0, weight)
    some = weights.sum(axis=1) > 0
    if some.any():
        shares = np.concatenate([tails, 1 - tails])
        known = np.nan_to_num(rows[some])
        result[some] = np.quantile(known, shares, axis=1, weights=weights[some], method="inverted_cdf").T
    return result


def moved(
    bounds: dict[int, tuple[Floats, Floats]], before: Floats, after: Floats, nonnegative: Flags
) -> dict[int, tuple[Floats, Floats]]:
    """Bounds (series, step) that follow their forecast from `before` to `after`."""
    limit = np.finfo(float).max
    floor = np.where(nonnegative, 0.0, -limit)[:, None]
    with np.errstate(over="ignore"):
        shift = after - before
        return {
            level: (
                np.minimum(np.clip(lower + shift, floor, limit), after),
                np.maximum(np.clip(upper + shift, -limit, limit), after),
            )
            for level, (lower, upper) in bounds.items()
        }


def usual_error(errors: Floats, values: Floats) -> Floats:
    """Root mean square (series, step) of past errors (series, origin, step); the last weeks' spread where none is."""
    mean = np.sqrt(_by_step(errors**2, np.ones(errors.shape[1])))
    known = (~np.isnan(errors)).sum(axis=(1, 2))
    return np.asarray(np.where(known[:, None] > 0, mean, spread(values)[:, None]))


def spread(values: Floats) -> Floats:
    """Standard deviation of the last eight weeks; of a single value, its size."""
    recent = values[:, -SPREAD_DAYS:]
    count = (~np.isnan(recent)).sum(axis=1)
    mean = np.nansum(recent, axis=1) / np.maximum(count, 1)
    squares = np.nansum((recent - mean[:, None]) ** 2, axis=1)
    return np.asarray(np.where(count > 1, np.sqrt(squares / np.maximum(count - 1, 1)), np.abs(mean)))
