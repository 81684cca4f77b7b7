"""Drivers: the contribution of each member to the change of a sum or of a ratio."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

COLUMNS = ["member", "value", "expected", "contribution", "share", "impact"]
RATIO_COLUMNS = [*COLUMNS, "mix", "rate"]
RATIO = ("numerator", "denominator")


def explain(
    current: pd.DataFrame, baseline: pd.DataFrame, *, unit_value: float | Mapping[str, float] = 1.0
) -> pd.DataFrame:
    """Split the change of a sum or of a ratio over its members: services, providers, client groups, weekdays.

    A sum: current, baseline hold member, value (the actual and the expected one; a member that one of them lacks
    counts as zero there; rows of one member are added). A ratio (an average price, a cancellation rate): both hold
    member, numerator, denominator instead.
    unit_value: worth in money of one unit of the sum (of the ratio's numerator), for all members or by member (1 for
    those not named): 1 for amounts of money, the mean price for a count of bookings.

    Returns member, value, expected, contribution (they add up to the whole change), share (of the whole change; 0 where
    nothing changed) and impact (the contribution in money; of a ratio: times the current denominator of all), the
    largest impact either way first. For a ratio value and expected are the member's own ratios (where it has no
    denominator: its ratio on the other side), and mix and rate split the contribution: that the member became a larger
    or smaller part of the whole, and that its own ratio changed (midpoint weights, as Bennet 1920: exact, and the same
    with the opposite sign where current and baseline are exchanged).
    Raises ValueError for a missing column or value, a negative denominator, or a numerator without a denominator.
    """
    is_ratio = "denominator" in current.columns or "denominator" in baseline.columns
    table = _ratio(current, baseline) if is_ratio else _sum(current, baseline)
    change = table["contribution"].sum()
    table["share"] = table["contribution"] / change if change else 0.0
    table["impact"] = table["contribution"] * (table["_units"] if is_ratio else 1.0) * _worth(table.index, unit_value)
    table = table.rename_axis("member").reset_index()
    table["_size"] = table["impact"].abs()
    ranked = table.sort_values(["_size", "member"], ascending=[False, True], kind="stable")
    return ranked[RATIO_COLUMNS if is_ratio else COLUMNS].reset_index(drop=True)


def _sum(current: pd.DataFrame, baseline: pd.DataFrame) -> pd.DataFrame:
    sides = {"value": _sums(current, "current", ("value",)), "expected": _sums(baseline, "baseline", ("value",))}
    table = pd.DataFrame({side: sums["value"] for side, sums in sides.items()}).fillna(0.0)
    table["contribution"] = table["value"] - table["expected"]
    return table


def _ratio(current: pd.DataFrame, baseline: pd.DataFrame) -> pd.DataFrame:
    sides = {"current": _sums(current, "current", RATIO), "baseline": _sums(baseline, "baseline", RATIO)}
    members = sides["current"].index.union(sides["baseline"].index)
    (weight, ratio, whole), (base_weight, base_ratio, base_whole) = (
        _parts(sums.reindex(members, fill_value=0.0), name) for name, sums in sides.items()
    )
    ratio, base_ratio = ratio.fillna(base_ratio).fillna(0.0), base_ratio.fillna(ratio).fillna(0.0)
    table = pd.DataFrame({"value": ratio, "expected": base_ratio})
    mean_whole = (whole + base_whole) / 2
    table["mix"] = (weight - base_weight) * ((ratio + base_ratio) / 2 - mean_whole)
    table["rate"] = (weight + base_weight) / 2 * (ratio - base_ratio)
    table["contribution"] = table["mix"] + table["rate"]
    table["_units"] = float(sides["current"]["denominator"].sum())
    return table


def _parts(sums: pd.DataFrame, name: str) -> tuple["pd.Series[float]", "pd.Series[float]", float]:
    """Return each member's share of the denominator and own ratio (NaN without a denominator), and the total ratio."""
    denominator, numerator = sums["denominator"], sums["numerator"]
    if (denominator < 0).any():
        raise ValueError(f"{name}: column denominator has a negative value")
    if ((denominator == 0) & (numerator != 0)).any() or not denominator.sum() > 0:
        raise ValueError(f"{name}: column denominator is zero where there is something to divide")
    ratio = numerator / denominator.where(denominator > 0)
    return denominator / denominator.sum(), ratio, numerator.sum() / denominator.sum()


def _worth(members: pd.Index, unit_value: float | Mapping[str, float]) -> "pd.Series[float]":
    if isinstance(unit_value, Mapping):
        return pd.Series([float(unit_value.get(str(member), 1.0)) for member in members], index=members, dtype=float)
    return pd.Series(float(unit_value), index=members)


def _sums(frame: pd.DataFrame, name: str, columns: tuple[str, ...]) -> pd.DataFrame:
    needed = ("member", *columns)
    absent = [column for column in needed if column not in frame.columns]
    if absent:
        raise ValueError(f"{name} has no column {', '.join(absent)}; it needs {', '.join(needed)}")
    values = {column: pd.to_numeric(frame[column]).astype(float) for column in columns}
    for column in columns:
        if not np.isfinite(values[column]).all():
            raise ValueError(f"{name}: column {column} has a missing or infinite value")
    return pd.DataFrame(values).groupby(frame["member"].astype(str)).sum()
