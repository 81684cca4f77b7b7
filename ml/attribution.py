"""Attribution: the members of one dimension, or of two together, that explain the change of a sum.

Rows of the incident's days are compared with those of the same weekdays before it, scaled to what was expected. As in
Adtributor (Bhagwan et al. 2014) a dimension is judged by the share of the change that its members explain, and by how
unusual that share is beside their usual share of the figure; as in Squeeze (Li et al. 2019) a change that hits all
members alike explains nothing, and cells of two dimensions are tried where they tell more. A member counts only if it
differs from that common change by more than chance.
"""

from collections.abc import Collection, Sequence
from itertools import combinations
from typing import Final, NamedTuple

import numpy as np
import pandas as pd

from ml.panel import Floats

BASELINE_WEEKS: Final = 8
LEAST_DEVIATIONS: Final = 3.0  # of a member from the common change: some hundred members are tried
LEAST_CONTRIBUTION: Final = 0.1  # of the whole change, for each member that is named
MOST_MEMBERS: Final = 3
LEAST_EXPLAINED: Final = 0.4  # of the whole change, by all that are named
LEAST_SURPRISE: Final = 0.15  # by which the share of the change exceeds the usual share of the figure
MEMBER_COST: Final = 0.02  # of each further member: one name says more than three
DIMENSION_COST: Final = 0.1  # of a second dimension
SECONDARY_COST: Final = 0.4  # of each secondary dimension: its members must surprise by more than that
LEAST_COVERAGE: Final = 0.5  # share of the rows for which a dimension is known
LARGEST_SCALE: Final = 5.0


class Attribution(NamedTuple):
    """The members that explain a change, the largest first.

    members: a column for each dimension, value, expected, contribution, share. Without dimensions nothing in particular
    explains it: it is spread over `tried`.
    """

    dimensions: tuple[str, ...]
    members: pd.DataFrame
    tried: tuple[str, ...]


def attribute(
    current: pd.DataFrame,
    earlier: pd.DataFrame,
    *,
    dimensions: Sequence[str],
    secondary: Collection[str] = (),
    expected: float | None = None,
) -> Attribution:
    """Find the members that explain how the rows of `current` differ from those of `earlier`.

    Both hold day, value and a column for each of `dimensions` (None where it does not apply); `earlier` holds the
    BASELINE_WEEKS before the first day of `current`. secondary: dimensions that are named only if they
    explain clearly more than the others do, such as the weekday: a group's bookings share one, and the group is the
    cause. expected: the sum that was expected of the days of `current` (default: that of the same weekdays before).
    """
    rows = _weighted(current, earlier, expected)
    tried = tuple(name for name in dimensions if _is_telling(rows, name))
    change = float((rows["value"] - rows["expected"]).sum())
    nothing = Attribution((), pd.DataFrame(columns=["value", "expected", "contribution", "share"]), tried)
    if not change:
        return nothing
    best, best_score = nothing, 0.0
    dispersion = _dispersion(rows)
    for names in [*((name,) for name in tried), *combinations(tried, 2)]:
        members = _explaining(rows, list(names), change, dispersion)
        if members.empty:
            continue
        explained = min(float(members["share"].sum()), 1.0)
        surprise = explained - float(members["usual_share"].sum())
        score = surprise - MEMBER_COST * (len(members) - 1) - DIMENSION_COST * (len(names) - 1)
        score -= SECONDARY_COST * sum(name in secondary for name in names)
        if explained >= LEAST_EXPLAINED and surprise >= LEAST_SURPRISE and score > best_score:
            best = Attribution(names, members.drop(columns="usual_share"), tried)
            best_score = score
    return best


def volume_price_mix(
    current: pd.DataFrame, earlier: pd.DataFrame, *, expected: float | None = None
) -> dict[str, float]:
    """Split the change of a sum of amounts exactly into volume, price and mix of the members in column `member`.

    volume: more or fewer rows at the mean amount of before; price: the members' own mean amounts changed; mix: dear
    members became a larger or smaller part of the rows. A member without rows before has the price of its rows now.
    """
    rows = _weighted(current, earlier, expected)
    sums = rows.groupby("member", dropna=False)[["value", "expected", "rows", "expected_rows"]].sum()
    now, before = sums["value"] / sums["rows"].where(sums["rows"] > 0), _price_before(sums)
    mean_before = sums["expected"].sum() / sums["expected_rows"].sum() if sums["expected_rows"].sum() else 0.0
    volume = float((sums["rows"].sum() - sums["expected_rows"].sum()) * mean_before)
    price = float((sums["rows"] * (now - before)).fillna(0.0).sum())
    change = float(sums["value"].sum() - sums["expected"].sum())
    return {"volume": volume, "price": price, "mix": change - volume - price}


def _price_before(sums: pd.DataFrame) -> "pd.Series[float]":
    before = sums["expected"] / sums["expected_rows"].where(sums["expected_rows"] > 0)
    return before.fillna(sums["value"] / sums["rows"].where(sums["rows"] > 0))


def _weighted(current: pd.DataFrame, earlier: pd.DataFrame, expected: float | None) -> pd.DataFrame:
    """Return all rows with value, expected, rows, expected_rows and variance: each row has its part of one side."""
    days = pd.DatetimeIndex(current["day"].unique()) if len(current) else pd.DatetimeIndex([])
    counts = pd.Series(days.day_of_week).value_counts()
    weekday = pd.DatetimeIndex(earlier["day"]).day_of_week
    weight: Floats = np.asarray(pd.Series(weekday).map(counts).fillna(0.0), dtype=float) / BASELINE_WEEKS
    values = earlier["value"].to_numpy(dtype=float)
    raw = float((weight * values).sum())
    scale = min(max(expected / raw, 1 / LARGEST_SCALE), LARGEST_SCALE) if expected is not None and raw else 1.0
    before = earlier.assign(
        value=0.0, expected=scale * weight * values, rows=0.0, expected_rows=scale * weight,
        variance=scale * weight * values**2, before=values,
    )  # fmt: skip
    now = current.assign(expected=0.0, rows=1.0, expected_rows=0.0, variance=0.0, before=0.0)
    return pd.concat([now, before], ignore_index=True)


def _is_telling(rows: pd.DataFrame, name: str) -> bool:
    """Return True if the dimension is known of most rows and has more than one member."""
    return bool(rows[name].notna().mean() >= LEAST_COVERAGE and rows[name].nunique() > 1)


def _dispersion(rows: pd.DataFrame) -> float:
    """Return how much more the daily sums before vary, within each weekday, than sums of independent rows would."""
    before = rows[rows["before"] != 0]
    if before.empty:
        return 1.0
    daily = pd.DataFrame({"sum": before["before"], "independent": before["before"] ** 2}).groupby(before["day"]).sum()
    weekday = pd.DatetimeIndex(daily.index).day_of_week
    residual = daily["sum"] - daily.groupby(weekday)["sum"].transform("mean")
    independent = float(daily["independent"].mean())
    return max(1.0, float((residual**2).mean()) / independent) if independent else 1.0


def _explaining(rows: pd.DataFrame, names: list[str], change: float, dispersion: float) -> pd.DataFrame:
    """Return the members that differ from the common change by more than chance, and explain part of the change."""
    members = rows.groupby(names, as_index=False)[["value", "expected", "variance"]].sum()
    members["contribution"] = members["value"] - members["expected"]
    members["share"] = members["contribution"] / change
    whole = float(rows["expected"].sum())
    members["usual_share"] = members["expected"] / whole if whole else 0.0
    one_row = float((rows["value"] ** 2).sum() / max(rows["rows"].sum(), 1.0))
    # Of the member's sum after the common change, and of what eight weeks tell about its expected value.
    ratio = float(rows["value"].sum()) / whole if whole else 1.0
    spread = members["variance"] * dispersion * (ratio + ratio**2 / BASELINE_WEEKS)
    deviation = np.sqrt(np.maximum(spread, one_row))
    beyond = (members["contribution"] - members["usual_share"] * change) * np.sign(change)
    is_named = (beyond >= LEAST_DEVIATIONS * deviation) & (members["share"] >= LEAST_CONTRIBUTION)
    ranked = members[is_named].sort_values(["share", *names], ascending=[False, *(True for _ in names)])
    columns = [*names, "value", "expected", "contribution", "share", "usual_share"]
    named: pd.DataFrame = ranked[columns].head(MOST_MEMBERS).reset_index(drop=True)
    return named
