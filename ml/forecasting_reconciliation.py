"""Forecasts that add up: the smallest weighted change after which members sum to their totals.

Minimum trace reconciliation with error variances as weights (Wickramasuriya, Athanasopoulos, Hyndman 2019), in its form
by constraints (Di Fonzo, Girolimetto 2023), so that one total may be split in several ways and totals may be nested.
"""

import numpy as np
import pandas as pd

from ml.panel import Flags, Floats

ROUNDS = 20  # of clipping at zero and projecting anew; each settles at least one series or ends


def checked_hierarchy(hierarchy: pd.DataFrame, series: pd.Index) -> pd.DataFrame:
    """series_id, total_id and dimension as text. Raises ValueError with the column and why."""
    absent = [column for column in ("series_id", "total_id") if column not in hierarchy.columns]
    if absent:
        raise ValueError(f"hierarchy has no column {', '.join(absent)}; it needs series_id, total_id")
    given = hierarchy if "dimension" in hierarchy.columns else hierarchy.assign(dimension="")
    tree = given[["series_id", "total_id", "dimension"]].astype(str).reset_index(drop=True)
    for column in ("series_id", "total_id"):
        unknown = tree.loc[~tree[column].isin(series), column]
        if len(unknown):
            raise ValueError(f"hierarchy: column {column} names {unknown.iloc[0]}, which the history does not know")
    twice = tree.duplicated(["series_id", "dimension"])
    if twice.any():
        raise ValueError(f"hierarchy: column series_id has {tree.loc[twice, 'series_id'].iloc[0]} more than once")
    if (tree["series_id"] == tree["total_id"]).any():
        raise ValueError("hierarchy: column total_id names a series as its own total")
    return tree


def reconcile(
    forecasts: Floats, variance: Floats, tree: pd.DataFrame, series: pd.Index, *, nonnegative: Flags
) -> Floats:
    """Forecasts (series, step) that add up as `tree` says, those of `nonnegative` series not below zero.

    variance: of the forecasts' errors, (series, step); what is known worse moves more.
    """
    constraints = _constraints(tree, series)
    result = forecasts.copy()
    for step in range(forecasts.shape[1]):
        result[:, step] = _project(forecasts[:, step], variance[:, step], constraints, nonnegative)
    return result


def _constraints(tree: pd.DataFrame, series: pd.Index) -> Floats:
    """One row a total and dimension: the total less its members."""
    groups = tree.groupby(["total_id", "dimension"], sort=True)
    rows = np.zeros((groups.ngroups, len(series)))
    for row, ((total, _), members) in zip(rows, groups, strict=True):
        row[series.get_indexer(pd.Index([total]))] = 1.0
        row[series.get_indexer(pd.Index(members["series_id"]))] = -1.0
    return rows


def _project(forecast: Floats, variance: Floats, constraints: Floats, nonnegative: Flags) -> Floats:
    part = (constraints != 0).any(axis=0)
    unit = np.abs(forecast[part]).max(initial=0.0)
    if unit == 0:
        return forecast
    weight = np.where(part, variance / unit**2, 0.0)
    weight = np.where(part, weight + 1e-9 * weight.max(initial=0.0) + 1e-12, 0.0)
    said = forecast / unit
    for _ in range(ROUNDS):
        spread = constraints * weight
        said = said - spread.T @ np.linalg.lstsq(spread @ constraints.T, constraints @ said, rcond=None)[0]
        below = nonnegative & part & (said < 0)
        if not below.any():
            break
        # A member that would be negative is zero, and the others make up for it.
        said, weight = np.where(below, 0.0, said), np.where(below, 0.0, weight)
    return np.asarray(np.where(part, said * unit, forecast))
