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
    """Return `coming` with probability (of being late) and slip_days (the median of the late ones).

    history: service_id, position, is_behind, is_late, slipped_days of milestones whose due day is past;
    coming: service_id, position, is_behind, due_day of open ones.
    """
    if history.empty or coming.empty:
        return coming.assign(probability=pd.Series(dtype=float), slip_days=pd.Series(dtype=float)).head(0)
    every = float(history["is_late"].mean())
    of_kind = _rate(history, KEYS, every)
    by_previous = _rate(history, [*KEYS, "is_behind"], every)
    late = history[history["is_late"]]
    slips, slip = late.groupby(KEYS)["slipped_days"].median(), float(late["slipped_days"].median() if len(late) else 0)
    kind = pd.MultiIndex.from_frame(coming[KEYS])
    known = pd.MultiIndex.from_frame(coming[[*KEYS, "is_behind"]])
    days_ahead = (pd.to_datetime(coming["due_day"]) - pd.Timestamp(as_of)).dt.days
    is_told = (days_ahead <= TOLD_BY_PREVIOUS_DAYS) | coming["is_behind"].astype(bool)
    whole = pd.Series(of_kind.reindex(kind).fillna(every).to_numpy(), index=coming.index)
    told = pd.Series(by_previous.reindex(known).to_numpy(), index=coming.index).fillna(whole)
    return coming.assign(
        probability=told.where(is_told, whole),
        slip_days=slips.reindex(kind).fillna(slip).to_numpy(),
    )


def _rate(history: pd.DataFrame, keys: list[str], every: float) -> "pd.Series[float]":
    """Return the share of late milestones of each kind, shrunk to that of all."""
    groups = history.groupby(keys)["is_late"]
    return (groups.sum() + RATE_WEIGHT * every) / (groups.size() + RATE_WEIGHT)
