"""Prediction intervals from the errors of the same method at past weekly origins (conformal prediction).

Each error is divided by a scale that grows with the forecast, with the step ahead and with the size of the recent
errors known at its origin (normalised conformal prediction: Lei et al. 2018). The quantiles of these conformal scores,
newer origins weighing more (Barber, Candes, Ramdas, Tibshirani 2023), are a compromise between the series' own and
those of all series of the call. Where too few origins are known: a t interval from the spread of the last weeks.
"""

import numpy as np
from scipy import ndimage, signal, special

from ml.panel import Flags, Floats

# Chosen by rolling origins on public daily series, a hotel's revenue and synthetic series (docs/forecasts.md).
ENOUGH_ORIGINS = 10  # with fewer: intervals from the spread of the values
NEIGHBOURS = 3  # steps on each side that share their errors; 7 and 14 are as good
SIZE_POWER = 0.35  # errors grow with this power of the forecast: 0 undercovered growing seasons, 1 was too wide
SIZE_FLOOR = 0.1  # least relative size of a forecast: keeps the unit of errors above zero
WEEK_WEIGHT = 0.95  # weight of an origin relative to the next one; same coverage from 0.92 to 0.97, 1 is 1.5 % worse
RECENT_HALF_LIFE = 21  # days: half-life of the recent error size, and the weight of its prior (the usual size) in days
OWN_ORIGINS = 5  # independent origins at which own quantiles weigh as much as those of all; 1 to 30 are as good
EVEN_SHARE = 0.5  # how far both sides are drawn to their mean: past bias seldom lasts; 0 costs 3 % of the CRPS
SPREAD_DAYS = 56  # days of values that the spread is taken from
SETTLED_DAYS = 28  # days ahead up to which coverage needs no widening
DOUBLING_DAYS = 28  # days ahead at which the variance of a t interval is twice that of the values


def error_unit(forecasts: Floats, values: Floats) -> Floats:
    """Return the unit of errors (series, origin, step): it grows with the forecast, though less than proportionally."""
    usual = np.nansum(np.abs(values), axis=1) / np.maximum((~np.isnan(values)).sum(axis=1), 1)
    usual = np.where(usual > 0, usual, 1.0)[:, None, None]
    return np.asarray((np.abs(forecasts) / usual + SIZE_FLOOR) ** SIZE_POWER)


def pool_neighbours(errors: Floats) -> Floats:
    """Return errors (series, origin, step) as (series, step, errors of that step and its neighbours at all origins)."""
    steps = errors.shape[2]
    neighbours = np.arange(steps)[:, None] + np.arange(-NEIGHBOURS, NEIGHBOURS + 1)[None, :]
    inside = (neighbours >= 0) & (neighbours < steps)
    pooled = np.where(inside, errors[:, :, np.clip(neighbours, 0, steps - 1)], np.nan)
    return pooled.transpose(0, 2, 1, 3).reshape(len(errors), steps, errors.shape[1] * neighbours.shape[1])


def bounds(
    centre: Floats,
    unit: Floats,
    errors: Floats,
    values: Floats,
    *,
    is_short: Flags,
    is_degenerate: Flags,
    nonnegative: Flags,
    levels: tuple[int, ...],
) -> dict[int, tuple[Floats, Floats]]:
    """Return the lower and upper bound (series, step) of each level, for a forecast `centre` (series, step).

    errors: (series, origin, step) from weekly origins, the last a week ago, each divided by its `error_unit`;
    unit: the `error_unit` of `centre`. The errors of `is_short` and `is_degenerate` series enter no interval.
    """
    tails = np.array([(1 - level / 100) / 2 for level in levels])
    lower_offsets, upper_offsets = _conformal_offsets(errors, tails, shared=~(is_short | is_degenerate))
    is_conformal = ((~np.isnan(errors)).sum(axis=1) >= ENOUGH_ORIGINS) & ~is_short[:, None]  # (series, step)
    deviation = spread(values)[:, None] * np.sqrt(1 + np.arange(1, centre.shape[1] + 1) / DOUBLING_DAYS)
    freedom = np.clip((~np.isnan(values)).sum(axis=1) - 1, 2, None)
    lower, upper = centre, centre
    result = {}
    for level, tail, lower_offset, upper_offset in zip(levels, tails, lower_offsets, upper_offsets, strict=True):
        t_offset = deviation * special.stdtrit(freedom, 1 - tail)[:, None]
        below = np.where(is_conformal, unit * lower_offset, -t_offset)
        above = np.where(is_conformal, unit * upper_offset, t_offset)
        below, above = (np.where(is_degenerate[:, None], 0.0, offset) for offset in (below, above))
        # Each level encloses the forecast and the levels before it.
        lower, upper = np.minimum(lower, centre + below), np.maximum(upper, centre + above)
        lower = np.where(nonnegative[:, None], np.maximum(lower, 0.0), lower)
        result[level] = (lower, upper)
    return result


def _conformal_offsets(errors: Floats, tails: Floats, *, shared: Flags) -> tuple[Floats, Floats]:
    """Return the lower and upper offsets (tail, series, step) from the next forecast, in its `error_unit`.

    errors: (series, origin, step); shared: series whose scores enter the quantiles of all series.
    """
    weights = WEEK_WEIGHT ** np.arange(errors.shape[1], 0, -1.0)  # (origin,)
    scores, next_scale = _conformal_scores(errors, weights)
    quantiles = _shrunk_quantiles(scores, weights, tails, shared=shared)  # (series, 2 * tail)
    lower, upper = _evened(*np.split(quantiles, 2, axis=1))  # each (series, tail)
    next_scale = next_scale * _widening(errors)
    return lower.T[:, :, None] * next_scale, upper.T[:, :, None] * next_scale


def _widening(errors: Floats) -> Floats:
    """Return the factor (series, step) of offsets far ahead, where the horizons of past origins overlap.

    The root of 1 + 1 / n, as of the deviation of a new value from the mean of n: n is the number of horizons beyond
    SETTLED_DAYS that the weekly origins cover one after the other.
    """
    beyond = np.arange(1, errors.shape[2] + 1) - SETTLED_DAYS
    days = 7 * np.maximum((~np.isnan(errors)).sum(axis=1), 1)
    return np.asarray(np.sqrt(1 + np.maximum(beyond, 0) / days))


def _conformal_scores(errors: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return the score of each error (series, origin, step), and the scale (series, step) of the next origin.

    A score is an error divided by the usual error size of its step and by the recent error size at its origin.
    """
    usual_size = _mean_by_step(np.abs(errors), weights)  # (series, step)
    recent_size = _recent_sizes(errors / usual_size[:, None, :])  # (series, origin + 1), relative to the usual size
    deflated = errors / recent_size[:, :-1, None]
    scale = _mean_by_step(np.abs(deflated), weights)  # (series, step)
    return deflated / scale[:, None, :], scale * recent_size[:, -1:]


def _shrunk_quantiles(scores: Floats, weights: Floats, tails: Floats, *, shared: Flags) -> Floats:
    """Return quantiles (series, 2 * tail) of the scores: the series' own, shrunk towards those of all `shared` series.

    The more independent origins a series has, the more its own quantiles weigh.
    """
    count, origins, steps = scores.shape
    rows = scores.reshape(count, origins * steps)
    row_weights = np.repeat(weights, steps)
    own = _quantiles(rows, row_weights, tails)
    pooled = _quantiles(rows[shared].reshape(1, -1), np.tile(row_weights, int(shared.sum())), tails)
    # Weekly origins whose horizons overlap cover the same days, and are independent only in part.
    independent = (~np.isnan(scores[:, :, 0]) * weights).sum(axis=1) * min(1.0, 7 / steps)
    own_share = (independent / (independent + OWN_ORIGINS))[:, None]
    return np.asarray(own_share * own + (1 - own_share) * pooled)


def _evened(lower: Floats, upper: Floats) -> tuple[Floats, Floats]:
    """Return both sides drawn towards an interval of the same width around zero, by EVEN_SHARE."""
    half = (upper - lower) / 2
    return (1 - EVEN_SHARE) * lower + EVEN_SHARE * -half, (1 - EVEN_SHARE) * upper + EVEN_SHARE * half


def _mean_by_step(errors: Floats, weights: Floats) -> Floats:
    """Return the mean (series, step) over the origins, weighted, and the neighbouring steps of each step; never 0."""
    known = ~np.isnan(errors)
    kernel = np.ones(2 * NEIGHBOURS + 1)

    def total(values: Floats) -> Floats:
        """Return the weighted sum (series, step) over the origins and the neighbouring steps."""
        by_step = np.einsum("soh,o->sh", values, weights)
        return np.asarray(ndimage.convolve1d(by_step, kernel, axis=1, mode="constant"))

    mean = total(np.where(known, errors, 0.0)) / np.maximum(total(known.astype(float)), 1e-12)
    return np.asarray(np.maximum(mean, 1e-12))


def _recent_sizes(relative: Floats) -> Floats:
    """Return the recent size of errors, relative to the usual, known at each origin and the next (series, origin + 1).

    relative: errors (series, origin, step) from weekly origins, relative to the usual size of their step. The mean has
    a half-life of RECENT_HALF_LIFE days; its prior is the usual size, 1, with the weight of as many days.
    """
    sizes, is_known = _mean_by_day(np.abs(relative))
    decay = 0.5 ** (1 / RECENT_HALF_LIFE)
    at_origins = slice(0, 7 * relative.shape[1] + 1, 7)

    def decayed(by_day: Floats) -> Floats:
        """Return the exponentially decaying sum of (series, day) up to each origin: (series, origin + 1)."""
        return np.asarray(signal.lfilter([1.0], [1.0, -decay], by_day, axis=1)[:, at_origins])

    return (decayed(sizes) + RECENT_HALF_LIFE) / (decayed(is_known.astype(float)) + RECENT_HALF_LIFE)


def _mean_by_day(sizes: Floats) -> tuple[Floats, Flags]:
    """Return the mean size of each day over the origins that forecast it, 0 where unknown, and the known days.

    sizes: (series, origin, step). Day 0 of the result (series, day) is the first origin. A day counts once, however
    many origins forecast it.
    """
    count, origins, steps = sizes.shape
    known = ~np.isnan(sizes)
    total, number = np.zeros((2, count, 7 * origins + steps + 1))
    for origin in range(origins):
        days = slice(7 * origin + 1, 7 * origin + 1 + steps)
        total[:, days] += np.where(known[:, origin], sizes[:, origin], 0.0)
        number[:, days] += known[:, origin]
    return total / np.maximum(number, 1), number > 0


def _quantiles(rows: Floats, weights: Floats, tails: Floats) -> Floats:
    """Return weighted quantiles of each row without its NaN, (row, 2 * tail): those of `tails`, then of 1 - tails."""
    result = np.zeros((len(rows), 2 * len(tails)))
    known_weights = np.where(np.isnan(rows), 0.0, weights)
    has_values = known_weights.sum(axis=1) > 0
    if has_values.any():
        shares = np.concatenate([tails, 1 - tails])
        values, value_weights = np.nan_to_num(rows[has_values]), known_weights[has_values]
        result[has_values] = np.quantile(values, shares, axis=1, weights=value_weights, method="inverted_cdf").T
    return result


def shift_bounds(
    bounds: dict[int, tuple[Floats, Floats]], before: Floats, after: Floats, nonnegative: Flags
) -> dict[int, tuple[Floats, Floats]]:
    """Return bounds (series, step) moved with their forecast from `before` to `after`."""
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


def root_mean_square(errors: Floats, values: Floats) -> Floats:
    """Return the root mean square (series, step) of errors (series, origin, step); without any, the recent spread."""
    mean = np.sqrt(_mean_by_step(errors**2, np.ones(errors.shape[1])))
    known = (~np.isnan(errors)).sum(axis=(1, 2))
    return np.asarray(np.where(known[:, None] > 0, mean, spread(values)[:, None]))


def spread(values: Floats) -> Floats:
    """Return the standard deviation (series,) of the last SPREAD_DAYS; of a single value, its size."""
    recent = values[:, -SPREAD_DAYS:]
    count = (~np.isnan(recent)).sum(axis=1)
    mean = np.nansum(recent, axis=1) / np.maximum(count, 1)
    squares = np.nansum((recent - mean[:, None]) ** 2, axis=1)
    return np.asarray(np.where(count > 1, np.sqrt(squares / np.maximum(count - 1, 1)), np.abs(mean)))
