"""Effects of known events on a series: days on which it is closed, and days that a campaign or an event in town lifts.

Such days do not teach a model what a usual day is like. A lift is a factor on the usual value of a day, learnt from
the past events of its kind: those of the series, shrunk towards the effect that people expect of the event; where none
is stated, towards those of all series of the call, and these towards no effect at all.
"""

from typing import Final, NamedTuple

import numpy as np
import pandas as pd

from ml.panel import Flags, Floats, Panel, checked, observed_days

CLOSURE: Final = "closure"
LIFTING: Final = ("campaign", "event")  # kinds of which each day has a factor
# From the day of a price change the level is another one, which every model follows by itself.
KINDS: Final = (CLOSURE, *LIFTING, "price_change")
AROUND_WEEKS: Final = 4  # on either side of an event, whose same weekdays tell what was usual there
PRIOR_DAYS: Final = 7  # event days that weigh as much as the effect they are shrunk towards
LARGEST_LOG_EFFECT: Final = float(np.log(5))  # a past event of more than fivefold is taken for fivefold
LEAST_USUAL: Final = 1e-6  # of the largest value of the series: of less, a ratio means nothing
FEWEST_USUAL_DAYS: Final = 14  # with fewer usual days the series teaches with its event days too


class Events(NamedTuple):
    """Events of a panel: flags (series, day), days reaching past the panel by the horizon."""

    closed: Flags
    lifted: Flags  # (kind of LIFTING, series, day)
    expected: Floats  # (kind of LIFTING, series, day): factor on a usual day, as stated; NaN where unknown

    @property
    def unusual(self) -> Flags:
        """Return the days (series, day) that teach nothing about usual days."""
        return np.asarray(self.closed | self.lifted.any(axis=0))


def read(events: pd.DataFrame | None, panel: Panel, horizon: int) -> Events:
    """Return the events of the panel's series; others, and other days, are ignored.

    events: series_id, day, kind and, if given, expected_effect: the factor on a usual day, empty where unknown.
    Raises ValueError for input that cannot be read, and for an unknown kind.
    """
    shape = (len(panel.series), len(panel.days) + horizon)
    closed, lifted = np.zeros(shape, dtype=bool), np.zeros((len(LIFTING), *shape), dtype=bool)
    expected = np.full(lifted.shape, np.nan)
    if events is not None:
        given = events if "expected_effect" in events.columns else events.assign(expected_effect=np.nan)
        rows = checked(given, "events", ("series_id", "day", "kind", "expected_effect"), ("day",))
        if not (is_known := rows["kind"].isin(KINDS)).all():
            kind = rows.loc[~is_known, "kind"].iloc[0]
            raise ValueError(f"events: column kind is {kind!r} in a row; it must be one of {', '.join(KINDS)}")
        series = panel.series.get_indexer(pd.Index(rows["series_id"]))
        day = (rows["day"] - panel.days[0]).dt.days.to_numpy()
        inside = (series >= 0) & (day >= 0) & (day < shape[1])
        is_closure = inside & (rows["kind"] == CLOSURE).to_numpy()
        closed[series[is_closure], day[is_closure]] = True
        for kind, flags, factor in zip(LIFTING, lifted, expected, strict=True):
            chosen = inside & (rows["kind"] == kind).to_numpy()
            flags[series[chosen], day[chosen]] = True
            factor[series[chosen], day[chosen]] = rows["expected_effect"].to_numpy(dtype=float)[chosen]
    return Events(closed, lifted, expected)


def usual_values(values: Floats, events: Events) -> Floats:
    """Return the values (series, day) without those of unusual days; all of a series that has too few others."""
    usual = np.where(events.unusual[:, : values.shape[1]], np.nan, values)
    return np.where((observed_days(usual)[1] < FEWEST_USUAL_DAYS)[:, None], values, usual)


def lifts(values: Floats, usual: Floats, events: Events) -> Floats:
    """Return the factor (series, step) of each day ahead, 1 where nothing is known; usual: as `usual_values`."""
    length = values.shape[1]
    result = np.ones((len(values), events.closed.shape[1] - length))
    expected = _around(usual) if events.lifted[:, :, length:].any() else usual
    for flags, stated in zip(events.lifted, events.expected[:, :, length:], strict=True):
        if not flags[:, length:].any():
            continue
        counted = flags[:, :length] & np.isnan(usual) & (expected > LEAST_USUAL) & (values >= 0)
        days = counted.sum(axis=1)
        sums = [np.where(counted, part, 0.0).sum(axis=1) for part in (values, expected)]
        with np.errstate(divide="ignore", invalid="ignore"):
            effect = _limited(np.where(days > 0, np.log(sums[0] / sums[1]), 0.0))
            of_all = (days * effect).sum() / (days.sum() + PRIOR_DAYS)
            prior = np.where(np.isnan(stated), of_all, _limited(np.log(np.maximum(stated, 0.0))))  # (series, step)
        shrunk = ((days * effect)[:, None] + PRIOR_DAYS * prior) / (days + PRIOR_DAYS)[:, None]
        result = np.where(flags[:, length:], result * np.exp(shrunk), result)
    return result


def _limited(effect: Floats) -> Floats:
    return np.asarray(np.clip(effect, -LARGEST_LOG_EFFECT, LARGEST_LOG_EFFECT))


def _around(usual: Floats) -> Floats:
    """Return the mean (series, day) of the same weekdays within AROUND_WEEKS on either side; NaN without any."""
    reach = 7 * AROUND_WEEKS
    padded = np.pad(usual, ((0, 0), (reach, reach)), constant_values=np.nan)
    length = usual.shape[1]
    weeks = np.stack([padded[:, reach + 7 * week :][:, :length] for week in range(-AROUND_WEEKS, AROUND_WEEKS + 1)])
    known = ~np.isnan(weeks)
    count = known.sum(axis=0)
    return np.where(count > 0, np.nansum(weeks, axis=0) / np.maximum(count, 1), np.nan)
