"""Events known ahead: closed days are expected to be zero, days of campaigns to be like those of earlier campaigns."""

from typing import Final, NamedTuple

import numpy as np
import pandas as pd

from ml.panel import Flags, Floats, Panel, checked

CLOSURE: Final = "closure"
RAISING: Final = ("campaign", "event")  # kinds that change the expected value by an amount that has to be learnt
FEWEST_DAYS: Final = 3  # of earlier days of such a kind, before a rise is judged against their effect
SHRINK_DAYS: Final = 3.0  # of all series that each series' own days are added to
LARGEST_EFFECT: Final = 4.0  # of the root of the expected value: sixteen times the value


class KnownDays(NamedTuple):
    """Days (series, day) on which something is planned."""

    is_closed: Flags
    is_raised: Flags


def known_days(panel: Panel, events: pd.DataFrame | None) -> KnownDays:
    """Return the days of `events` (series_id, day, kind); a price change is judged as any other day."""
    closed, raised = np.zeros((2, *panel.values.shape), dtype=bool)
    if events is not None and not events.empty:
        known = checked(events, "events", ("series_id", "day", "kind"), ("day",))
        row = panel.series.get_indexer(pd.Index(known["series_id"]))
        column = panel.days.get_indexer(pd.DatetimeIndex(known["day"]))
        for flags, kinds in ((closed, (CLOSURE,)), (raised, RAISING)):
            inside = (row >= 0) & (column >= 0) & known["kind"].isin(kinds).to_numpy()
            flags[row[inside], column[inside]] = True
    return KnownDays(closed, raised & ~closed)


def raised(centre: Floats, root: Floats, known: KnownDays) -> tuple[Floats, Flags]:
    """Return the expected roots (series, day) with the effect of events, and the days on which it is known.

    centre, root: expected and actual values, as square roots. The effect is the mean factor of the raised days before,
    of the series itself, shrunk towards all series.
    """
    factor = np.clip(root / np.where(centre > 0, centre, np.nan), 0.0, LARGEST_EFFECT)
    counted = known.is_raised & ~np.isnan(factor)
    number: Floats = np.cumsum(counted, axis=1, dtype=float) - counted
    total = np.cumsum(np.where(counted, factor, 0.0), axis=1) - np.where(counted, factor, 0.0)
    shared = (total.sum(axis=0) + 1.0) / (number.sum(axis=0) + 1.0)
    effect = (total + SHRINK_DAYS * shared) / (number + SHRINK_DAYS)
    is_learnt = known.is_raised & (number.sum(axis=0) >= FEWEST_DAYS)
    return np.where(is_learnt, centre * effect, np.where(known.is_closed, 0.0, centre)), np.asarray(is_learnt)
