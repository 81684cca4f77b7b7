"""Judgement of an organisation's days: sums and stocks by ml.anomalies, ratios by ml.ratios."""

from collections.abc import Mapping
from datetime import date

import pandas as pd

from dagster_project.modelling.series import is_total
from ml.anomalies import detect
from ml.ratios import detect_ratios
from sources.row_values import Sensitivity


def judge(
    history: pd.DataFrame,
    ratios: pd.DataFrame,
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

    history: series_id, day, value; ratios: series_id, day, numerator, denominator; worth: the money that one unit of a
    series is worth, of a ratio one unit of its numerator. Totals are judged by themselves, however many members there
    are.
    """
    sums = detect(
        history, start=start, as_of=as_of, holidays=holidays, on_hand=on_hand, incidents=incidents, events=events,
        sensitivity=sensitivity, protected=_totals(history), money=worth,
    )  # fmt: skip
    shares = detect_ratios(
        ratios, start=start, as_of=as_of, holidays=holidays, incidents=incidents, events=events,
        sensitivity=sensitivity, protected=_totals(ratios), money=worth,
    )  # fmt: skip
    return pd.concat([table for table in (sums, shares) if not table.empty] or [sums], ignore_index=True)


def _totals(frame: pd.DataFrame) -> list[str]:
    return list(frame.loc[is_total(frame["series_id"]), "series_id"].unique())
