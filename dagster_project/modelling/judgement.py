"""Judgement of an organisation's days by ml.anomalies."""

from collections.abc import Mapping
from datetime import date

import pandas as pd

from dagster_project.modelling.series import is_total
from ml.anomalies import detect
from sources.row_values import Sensitivity


def judge(
    history: pd.DataFrame,
    *,
    start: date,
    as_of: date,
    holidays: pd.DataFrame | None,
    on_hand: pd.DataFrame,
    incidents: pd.DataFrame,
    events: pd.DataFrame,
    sensitivity: Sensitivity,
    worth: Mapping[str, float],
) -> pd.DataFrame:
    """Return the judgement of every series and day, as `ml.anomalies.detect` does.

    history: series_id, day, value; worth: the money that one unit of a series is worth. Totals are judged by
    themselves, whatever the number of members.
    """
    totals = history.loc[is_total(history["series_id"]), "series_id"].unique()
    return detect(
        history, start=start, as_of=as_of, holidays=holidays, on_hand=on_hand, incidents=incidents, events=events,
        sensitivity=sensitivity, protected=list(totals), money=worth,
    )  # fmt: skip
