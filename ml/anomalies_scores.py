"""Scores of single days, and the chance of an ordinary day to have as large a score.

A score is a day's distance from its expected value in running spreads: of an amount the difference of square roots,
of a count the deviance residual of a Poisson distribution whose dispersion follows from the spread (McCullagh and
Nelder 1989). Scores of holidays and of the days beside them are divided by how much larger such days' scores were
before. The chance follows from the series' own earlier scores on that side, as in conformal prediction (Vovk, Gammerman
and Shafer 2005); beyond their highest tenth from a generalised Pareto tail (Pickands 1975) of the moments of the
scores there (Hosking and Wallis 1987), shrunk towards those of all series of the call: a series without outliers has a
short tail, one with outliers a long one.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import lambertw

from ml.panel import Flags, Floats

# Measured on anomalies injected into public daily series and synthetic businesses (docs/methods.md).
COUNT_SPREAD = 0.5  # standard deviation of the square root of a Poisson count
LEAST_MEAN = 0.25  # of a count: a single sale where nothing was expected is no surprise
LARGEST_COUNT = 1e9  # whole numbers beyond are judged as amounts
SHARE_FLOOR = 0.02  # of the level: least spread
LARGEST_SCORE = 50.0  # larger ones enter sums as this

# The width of holidays, and of the two days either side: mean score over that of ordinary days, both up to WIDTH_CLIP,
# with WIDTH_DAYS days of the mean width of all series added, which begins with that of WIDTH_PRIOR.
WIDTH_PRIOR = (1.5, 1.2)
WIDTH_CLIP, WIDTH_DAYS, FEWEST_ORDINARY = 6.0, 10.0, 5.0

BLOCK = 28  # days that are judged by one state of the calibration
LAG = 7  # days before the block that do not enter it: an incident does not widen the limits of its next days
SCALE_DAYS = 364  # days of scores whose highest TAIL the tail begins with
TAIL = 0.1
FEWEST_SCORES = 28  # with fewer the tail begins at START
START, LEAST_START = 1.6, 0.8
SHAPES = (-0.1, 0.15)  # of the tail: 0 is exponential, below it ends
LARGEST_EXCESS = 4.0  # starts of the tail beyond it: one such day would lengthen the tail for years
SHRINK_SCORES = 50.0  # scores of all series that each series' own are added to
# Mean excess and mean squared excess before anything is known (of shape 0.1), and the scores that they count as.
PRIOR_EXCESS, PRIOR_SQUARE, PRIOR_SCORES = 0.5, 0.5625, 100.0
LEAST_BASE = 1e-3  # of a tail that ends: the chance beyond its end is that just before it

# A day together with the day before it. The expected value has followed the first of two days on one side in part:
# FOLLOWED of its score is added to the second's. A pair counts at most LIMIT times the smaller score: one outlier is no
# evidence of its next day.
FOLLOWED, LARGEST_OF_PAIR, LIMIT = 0.25, 6.0, 1.6

SIDES = (-1, 1)  # below and above the expected value


class Tails(NamedTuple):
    """Arrays (side, series, day): the score at which the tail begins, and the scale and shape of the tail beyond it."""

    start: Floats
    scale: Floats
    shape: Floats


def is_count(values: Floats) -> Flags:
    """Return the days (series, day) up to which all values of the series are whole and not negative."""
    fits = np.isnan(values) | ((values == np.floor(values)) & (values >= 0) & (values <= LARGEST_COUNT))
    return np.asarray(np.logical_and.accumulate(fits, axis=1))


def spread_of_days(centre: Floats, spread: Floats, counts: Flags, width: Floats) -> Floats:
    """Return the spread (series, day) on the scale of square roots that a day's score is measured in."""
    least = np.maximum(SHARE_FLOOR * np.abs(centre), np.where(counts, COUNT_SPREAD, 0.0))
    return np.asarray(np.maximum(spread, least) * width)


def scores(values: Floats, centre: Floats, spread: Floats, counts: Flags) -> Floats:
    """Return the signed scores (series, day) of values, NaN where there is none; centre: root of the expected value."""
    root = np.sign(values) * np.sqrt(np.abs(values))
    mean = np.maximum(np.minimum(centre, LARGEST_COUNT) ** 2 * (centre > 0), LEAST_MEAN)
    count = np.clip(np.where(counts, values, 0.0), 0.0, None)
    deviance = 2 * (count * np.log(np.maximum(count, LEAST_MEAN) / mean) - (count - mean))
    of_counts = np.sign(count - mean) * np.sqrt(np.maximum(deviance, 0.0)) * COUNT_SPREAD / spread
    return np.asarray(np.where(np.isnan(values), np.nan, np.where(counts, of_counts, (root - centre) / spread)))


def value_at(score: Floats, centre: Floats, spread: Floats, counts: Flags) -> Floats:
    """Return the value (series, day) that has this signed score."""
    root = np.clip(centre + score * spread, -1e150, 1e150)
    mean = np.maximum(np.minimum(centre, LARGEST_COUNT) ** 2 * (centre > 0), LEAST_MEAN)
    # Of a count x: x log(x / mean) - x + mean = height, which Lambert's function solves.
    height = np.minimum((score * spread / COUNT_SPREAD) ** 2 / (2 * mean), 1e12) - 1
    branch = np.where(score > 0, lambertw(height / np.e, 0).real, lambertw(np.minimum(height, 0.0) / np.e, -1).real)
    count = np.where((score < 0) & (height >= 0), 0.0, mean * np.exp(np.clip(1 + branch, -50, 50)))
    return np.asarray(np.where(counts, count, np.sign(root) * root**2))


def widths(score: Floats, days: pd.DatetimeIndex, holidays: pd.DatetimeIndex, learns: Flags) -> Floats:
    """Return the factor (series, day) by which scores of such a day were larger than ordinary ones before it, or 1."""
    is_holiday = np.asarray(days.isin(holidays))
    shifted = [np.asarray(days.isin(holidays + pd.Timedelta(days=shift))) for shift in (-2, -1, 1, 2)]
    is_near = np.any(shifted, axis=0) & ~is_holiday
    size = np.where(learns, np.minimum(np.abs(np.nan_to_num(score)), WIDTH_CLIP), 0.0)
    is_ordinary = ~(is_holiday | is_near)
    expected_size = 0.8  # of a standard normal
    ordinary = (_before(size * is_ordinary) + expected_size * FEWEST_ORDINARY) / (
        _before(learns * is_ordinary) + FEWEST_ORDINARY
    )
    width = np.ones(score.shape)
    for is_kind, prior in zip((is_holiday, is_near), WIDTH_PRIOR, strict=True):
        total, count = _before(size * is_kind) / ordinary, _before(learns * is_kind)
        all_series = (total.sum(axis=0) + prior * WIDTH_DAYS) / (count.sum(axis=0) + WIDTH_DAYS)
        own = (total + WIDTH_DAYS * all_series) / (count + WIDTH_DAYS)
        width = np.where(is_kind, np.maximum(own, 1.0), width)
    return width


def _before(values: Floats | Flags) -> Floats:
    """Return the sums (series, day) of the days before each day."""
    total = np.cumsum(values, axis=1, dtype=float)
    return np.asarray(total - values)


def pair_scores(score: Floats) -> Floats:
    """Return the signed scores (series, day) of each day and the day before together, 0 if they are on two sides."""
    second = np.clip(score, -LARGEST_OF_PAIR, LARGEST_OF_PAIR)
    first = np.pad(second, ((0, 0), (1, 0)), constant_values=np.nan)[:, :-1]
    side = np.sign(second)
    together = np.abs(first * (1 + FOLLOWED) + second) / np.hypot(1 + FOLLOWED, 1.0)
    size = np.minimum(together, LIMIT * np.minimum(np.abs(first), np.abs(second)))
    return np.asarray(np.where(np.isnan(first), np.nan, np.where(side == np.sign(first), side * size, 0.0)))


def tails(score: Floats, learns: Flags) -> Tails:
    """Return the tails (side, kind, series, day) of the earlier scores (kind, series, day) of the days that teach."""
    length = score.shape[-1]
    known = np.where(learns, np.clip(score, -LARGEST_SCORE, LARGEST_SCORE), np.nan)
    sized = np.stack([np.maximum(sign * known, 0.0) for sign in SIDES])
    start, scale, shape = np.zeros((3, *sized.shape))
    last = np.full(sized.shape[:-1], START)
    # Excess over the beginning of the tail, in units of it: number, sum and sum of squares, by block of days.
    sums = np.zeros((3, *sized.shape[:-1], -(-length // BLOCK)))
    prior = np.array([1.0, PRIOR_EXCESS, PRIOR_SQUARE]).reshape(3, 1, 1, 1)
    for number, begin in enumerate(range(0, length, BLOCK)):
        block, end = slice(begin, begin + BLOCK), max(begin - LAG, 0)
        first = _start(sized[..., max(end - SCALE_DAYS, 0) : end])
        own = sums[..., : max(number - 1, 0)].sum(axis=-1)
        if number:
            own = own + _excess(sized[..., begin - BLOCK : end] / last[..., None])
            sums[..., number - 1] = _excess(sized[..., begin - BLOCK : begin] / last[..., None])
        shared = own.sum(axis=-1, keepdims=True) + PRIOR_SCORES * prior
        total = own + SHRINK_SCORES * shared / shared[0]
        mean, square = total[1] / total[0], total[2] / total[0]
        bent = np.clip(0.5 * (1 - mean**2 / np.maximum(square - mean**2, 1e-9)), *SHAPES)
        start[..., block] = first[..., None]
        scale[..., block] = (first * mean * (1 - bent))[..., None]
        shape[..., block] = bent[..., None]
        last = first
    return Tails(start, scale, shape)


def shortened(tails: Tails, is_short: Flags) -> Tails:
    """Return the tails, exponential at most on the days (series, day) that are flagged."""
    return tails._replace(shape=np.where(is_short, np.minimum(tails.shape, 0.0), tails.shape))


def _excess(relative: Floats) -> Floats:
    """Return number, sum and sum of squares (first axis) of the excesses over 1 along the last axis."""
    excess = np.clip(np.nan_to_num(relative) - 1, 0.0, LARGEST_EXCESS)
    return np.stack([(excess > 0).sum(axis=-1), excess.sum(axis=-1), (excess**2).sum(axis=-1)])


def _start(sized: Floats) -> Floats:
    """Return the quantile along the last axis, of earlier scores of one side, that the tail begins with."""
    number = (~np.isnan(sized)).sum(axis=-1)
    if not sized.shape[-1]:
        return np.full(number.shape, START)
    position = np.ceil((1 - TAIL) * np.maximum(number - 1, 0)).astype(int)
    quantile = np.take_along_axis(np.sort(sized, axis=-1), position[..., None], axis=-1)[..., 0]  # NaN last
    return np.where(number >= FEWEST_SCORES, np.maximum(np.nan_to_num(quantile), LEAST_START), START)


def chances(score: Floats, tails: Tails) -> Floats:
    """Return the chance (series, day) of an ordinary day to lie as far on either side; 2 * TAIL at least inside."""
    side = (np.nan_to_num(score) > 0).astype(int)[None]
    start, scale, shape = (np.take_along_axis(array, side, axis=0)[0] for array in tails)
    shape = np.where(np.abs(shape) < 1e-6, 1e-6, shape)
    beyond = np.maximum(np.abs(np.nan_to_num(score)) - start, 0.0) / scale
    return np.asarray(2 * TAIL * np.maximum(1 + shape * beyond, LEAST_BASE) ** (-1 / shape))


def limits(chance: Floats, tails: Tails) -> Floats:
    """Return the score (side, series, day), unsigned, that has this chance (series, day), which is below 2 * TAIL."""
    shape = np.where(np.abs(tails.shape) < 1e-6, 1e-6, tails.shape)
    return np.asarray(tails.start + tails.scale * ((chance / (2 * TAIL)) ** -shape - 1) / shape)
