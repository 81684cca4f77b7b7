"""Calibration of the scores of windows of days, and following of the changes that they show.

The score of each length of window is divided by its own past spread, so that autocorrelation of a series does not pass
for a change. The strongest of all lengths is compared with its past maxima in blocks of days: on a logarithmic scale a
Gumbel distribution (Gumbel 1958), which gives the chance of an ordinary day to have as strong a score. The maxima of a
series are few, and its past changes are among them: they are shrunk to those of series of independent days, where these
are known, else to those of all series of the call.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from ml.panel import Flags, Floats, Positions

# Measured on anomalies injected into public daily series and synthetic businesses (docs/methods.md).
CLIP: Final = 2.5  # past spreads: larger scores teach the spread as if they were this large
SCORE_RATE: Final = 0.003  # per day, of the spread of the scores of each length
FIRST_SCORES: Final = 56  # days before the first score that teaches its spread
LEAST_SPREAD: Final = 0.5
MINIMUM_DAYS: Final = 42  # with fewer earlier days nothing is judged

BLOCK: Final = 14  # days
MEMORY_BLOCKS: Final = 39  # a year and a half
POOLED_BLOCKS: Final = 13  # that the maxima of all series of a call count as against a series' own
MIDDLE, TAIL = 0.5, 0.8  # quantiles of the maxima that give location and scale; incidents stand beyond the second
SMALLEST: Final = 1e-9

LASTING_DAYS: Final = 28  # a change that has lasted longer is what is usual now
RESTS_BELOW: Final = 0.5  # of the score at which a change was told: below it the change is over
STRONGER: Final = 0.125  # of the share: days of a change with less chance are strong


class Null(NamedTuple):
    """Gumbel distribution of the maxima in blocks of series of independent days, which a series' own are shrunk to."""

    location: float
    scale: float
    blocks: int  # that it counts as


class Scores(NamedTuple):
    """Arrays (series, day)."""

    score: Floats  # of the window with the strongest evidence, signed
    length: Positions  # of that window


class Changes(NamedTuple):
    """Arrays (series, day) of what is told of each day."""

    is_new: Flags  # the first day on which the chance is within the share
    is_lasting: Flags  # a day of a change that was new at most LASTING_DAYS before
    is_strong: Flags  # a lasting day with evidence far beyond the share
    began: Positions  # position of the first day of a lasting change; else of the day itself
    direction: Floats  # 1 up, -1 down; 0 where no change lasts


def strongest(raw: Floats, windows: Sequence[int]) -> Scores:
    """Return the strongest evidence up to each day of the scores `raw` (window, series, day) of these lengths."""
    score = raw / _spreads(raw, np.array(windows))
    best = np.abs(score).argmax(axis=0)
    return Scores(np.take_along_axis(score, best[None], axis=0)[0], np.array(windows)[best])


def _spreads(raw: Floats, windows: Positions) -> Floats:
    """Return the spread (window, series, day) of the scores of each length, learnt from windows before its own."""
    lengths, count, days = raw.shape
    size = np.abs(raw)
    square = np.repeat(np.sqrt(windows)[:, None], count, axis=1)
    result = np.ones_like(raw)
    rows, longest = np.arange(lengths), int(windows.max())
    for day in range(days):
        learnt = day - FIRST_SCORES - longest
        if learnt > 0:
            past = np.minimum(size[rows, :, day - windows], CLIP * np.sqrt(square))
            square = square + max(SCORE_RATE, 1 / (learnt + 10)) * (1.1 * past**2 - square)
        result[:, :, day] = np.maximum(np.sqrt(square), LEAST_SPREAD)
    return result


def chances(size: Floats, counts: Flags, null: Null | None = None) -> Floats:
    """Return the chance (series, day) that an ordinary day has a score of this size; 1 where it cannot be judged.

    counts: days (series, day) that are judged and teach; null: where it is not known, maxima are shrunk to those of all
    series of the call.
    """
    length = size.shape[1]
    blocks = length // BLOCK
    size = np.log1p(size)
    days_before = np.cumsum(counts, axis=1, dtype=np.int64) - counts
    is_judged = counts & (days_before >= MINIMUM_DAYS)
    whole = np.where(is_judged, size, np.nan)[:, : blocks * BLOCK].reshape(len(size), blocks, BLOCK)
    maxima = np.where(np.isnan(whole).all(axis=2), np.nan, np.nan_to_num(whole).max(axis=2, initial=0.0))
    result = np.ones(size.shape)
    for block in range(blocks + 1):
        day = slice(block * BLOCK, min((block + 1) * BLOCK, length))
        past = maxima[:, max(block - MEMORY_BLOCKS, 0) : block]
        if np.isnan(past).all():
            continue
        location, scale = _gumbel(past, null)
        excess = (size[:, day] - location[:, None]) / scale[:, None]
        result[:, day] = -np.expm1(-np.exp(-np.clip(excess, -30, 700))) / BLOCK
    return np.where(is_judged, result, 1.0)


def _gumbel(maxima: Floats, null: Null | None) -> tuple[Floats, Floats]:
    """Return location and scale of each series' maxima (series, block), NaN where unknown, shrunk to null or all."""
    middle, tail = -np.log(-np.log(MIDDLE)), -np.log(-np.log(TAIL))
    number = (~np.isnan(maxima)).sum(axis=1)
    weight = number / (number + (POOLED_BLOCKS if null is None else null.blocks))
    ordered = np.sort(maxima, axis=1)  # NaN last
    shrunk = []
    for quantile, scales in ((MIDDLE, middle), (TAIL, tail)):
        target = np.nanquantile(maxima, quantile) if null is None else null.location + scales * null.scale
        place = quantile * np.maximum(number - 1, 0)
        low = np.floor(place).astype(int)[:, None]
        high = np.minimum(low + 1, np.maximum(number - 1, 0)[:, None])
        below, above = (np.take_along_axis(ordered, position, axis=1)[:, 0] for position in (low, high))
        own = np.nan_to_num(below + (place - low[:, 0]) * (above - below))
        shrunk.append(weight * own + (1 - weight) * target)
    scale = np.maximum(shrunk[1] - shrunk[0], SMALLEST) / (tail - middle)
    return shrunk[0] - middle * scale, scale


def followed(scores: Scores, chance: Floats, share: float | Floats) -> Changes:
    """Follow each series day by day: a change begins where the chance falls to the share and ends where it rests.

    share: of the days on which a new change may be told, for all series or (series, 1).
    """
    is_within, is_far_within = chance <= share, chance <= STRONGER * share
    count, length = chance.shape
    state, told, told_size, began, largest = np.zeros((5, count))
    is_new, is_lasting = np.zeros((2, count, length), dtype=bool)
    began_on, direction = np.zeros((count, length), dtype=np.int64), np.zeros((count, length))
    longest = int(scores.length.max(initial=1))
    for day in range(length):
        side, size = np.sign(scores.score[:, day]), np.abs(scores.score[:, day])
        begins = is_within[:, day] & (side != state)
        rests = (state != 0) & (side != 0) & ((side != state) | (size < RESTS_BELOW * told_size))
        state = np.where(begins, side, np.where(rests, 0.0, state))
        told, told_size = np.where(begins, day, told), np.where(begins, size, told_size)
        # The window with the strongest evidence of its first days names the day on which it began.
        is_stronger = begins | ((state != 0) & (side == state) & (size > largest) & (day - told < longest))
        began = np.where(is_stronger, day - scores.length[:, day] + 1, began)
        largest = np.where(is_stronger, size, largest)
        lasts = (state != 0) & (side == state) & (day - told < LASTING_DAYS)
        is_new[:, day], is_lasting[:, day] = begins, lasts
        began_on[:, day], direction[:, day] = np.where(lasts, began, day), np.where(lasts, state, 0.0)
    return Changes(is_new, is_lasting, is_lasting & is_far_within, np.maximum(began_on, 0), direction)
