"""Which members account for the change of a sum, and by how much."""

import numpy as np
import pandas as pd

COLUMNS = ["member", "value", "expected", "contribution", "share"]


def explain(current: pd.DataFrame, baseline: pd.DataFrame) -> pd.DataFrame:
    """Split the change of a sum over its members.

    current, baseline: member, value (what came, and what was expected; a member that one of them lacks counts as
    zero there; rows of one member are added). Values keep their unit.

    Returns member, value, expected, contribution (value less expected; they add up to the whole change) and share
    (of the whole change; 0 where nothing changed), the largest contribution either way first. Raises ValueError
    for a missing column or value.
    """
    sides = {"value": _sums(current, "current"), "expected": _sums(baseline, "baseline")}
    table = pd.DataFrame(sides).fillna(0.0)
    table["contribution"] = table["value"] - table["expected"]
    change = table["contribution"].sum()
    table["share"] = table["contribution"] / change if change else 0.0
    table = table.rename_axis("member").reset_index()
    table["_size"] = table["contribution"].abs()
    ranked = table.sort_values(["_size", "member"], ascending=[False, True], kind="stable")
    return ranked[COLUMNS].reset_index(drop=True)


def _sums(frame: pd.DataFrame, name: str) -> "pd.Series[float]":
    absent = {"member", "value"} - set(frame.columns)
    if absent:
        raise ValueError(f"{name} has no column {', '.join(sorted(absent))}; it needs member and value")
    values = pd.to_numeric(frame["value"]).astype(float)
    if not np.isfinite(values).all():
        raise ValueError(f"{name}: column value has a missing or infinite value")
    return values.groupby(frame["member"].astype(str)).sum()
