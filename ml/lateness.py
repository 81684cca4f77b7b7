"""Lateness: the probability that open milestones are done late, and by how much, from how such ones slipped before."""

from datetime import date
from typing import Final

import pandas as pd

KEYS: Final = ["service_id", "position"]
# A rate of few milestones is shrunk to that of all as if so many at that rate were known beside them.
RATE_WEIGHT: Final = 10.0
# Whether the milestone before is behind is known for those due within so many days; of later ones it is too early to
# tell, and the rate of all such milestones holds.
TOLD_BY_PREVIOUS_DAYS: Final = 3


def lateness(history: pd.DataFrame, coming: pd.DataFrame, *, as_of: date) -> pd.DataFrame:
    """Return `coming` with probability (of being late) and slip_days (by which the late ones slipped).

    history: service_id, position, is_behind (the milestone before was), milestones, late (their numbers), slip_days
    (of the late ones; missing: none), one row of each kind; coming: service_id, position, is_behind, due_day.
    """
    whole = _rates(history, KEYS)
    told = _rates(history, [*KEYS, "is_behind"])
    every = float(history["late"].sum()) / max(float(history["milestones"].sum()), 1.0)
    kind = pd.MultiIndex.from_frame(coming[KEYS])
    known = pd.MultiIndex.from_frame(coming[[*KEYS, "is_behind"]])
    days_ahead = (pd.to_datetime(coming["due_day"]) - pd.Timestamp(as_of)).dt.days
    is_told = (days_ahead <= TOLD_BY_PREVIOUS_DAYS) | coming["is_behind"].astype(bool)
    of_kind = whole["rate"].reindex(kind).fillna(every).to_numpy()
    by_previous = told["rate"].reindex(known).to_numpy()
    rate = pd.Series(by_previous, index=coming.index).fillna(pd.Series(of_kind, index=coming.index))
    return coming.assign(
        probability=rate.where(is_told, of_kind),
        slip_days=whole["slip_days"].reindex(kind).fillna(0.0).to_numpy(),
    )


def _rates(history: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Return the share of late milestones of each kind, shrunk to that of all, and their mean slip."""
    every = float(history["late"].sum()) / max(float(history["milestones"].sum()), 1.0)
    slipped = (history["late"] * history["slip_days"].fillna(0.0)).groupby([history[key] for key in keys]).sum()
    sums = history.groupby(keys)[["milestones", "late"]].sum()
    return pd.DataFrame(
        {
            "rate": (sums["late"] + RATE_WEIGHT * every) / (sums["milestones"] + RATE_WEIGHT),
            "slip_days": slipped / sums["late"].where(sums["late"] > 0),
        }
    )
