"""Sums and ratios are judged by one call, with the same columns."""

from datetime import timedelta

import pandas as pd

from dagster_project.modelling.judgement import judge
from tests.dagster_project.modelling.conftest import DAY

NOTHING = pd.DataFrame({"series_id": [], "day": [], "kind": []})


def test_sums_and_ratios_are_judged_together() -> None:
    days = pd.date_range(end=DAY, periods=70)
    history = pd.DataFrame({"series_id": "booked_revenue|total|all", "day": days, "value": 500.0 + days.dayofweek * 10})
    ratios = pd.DataFrame(
        {"series_id": "no_show_rate|total|all", "day": days, "numerator": 1.0, "denominator": 20.0 + days.dayofweek}
    )
    judged = judge(
        history,
        ratios,
        start=DAY - timedelta(days=6),
        as_of=DAY,
        holidays=None,
        on_hand=pd.DataFrame({"series_id": [], "service_day": [], "lead_days": [], "value": []}),
        incidents=NOTHING[["series_id", "day"]],
        events=NOTHING,
        sensitivity="normal",
        worth={"booked_revenue|total|all": 1.0, "no_show_rate|total|all": 50.0},
    )
    assert judged.groupby("series_id").size().to_dict() == {"booked_revenue|total|all": 7, "no_show_rate|total|all": 7}
    assert judged[["value", "expected", "began", "since_value", "since_expected"]].notna().all(axis=None)
