"""Reconciliation of forecasts: the smallest weighted change after which members sum to their totals.

Minimum trace reconciliation with error variances as weights (Wickramasuriya, Athanasopoulos, Hyndman 2019), in its form
by constraints (Di Fonzo, Girolimetto 2023), so that one total may be split in several ways and totals may be nested.
"""

from graphlib import CycleError, TopologicalSorter

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import csgraph

from ml.panel import Flags, Floats, checked

LEAST_ERROR = 1e-6  # of the largest error: least error of any series
REPEATS = 3  # of the projection: the later ones remove the rounding errors of the first
NEGLIGIBLE = 1e-10  # of the largest forecast: a sum all of whose parts are smaller is a rounding error, and set to zero


def checked_hierarchy(hierarchy: pd.DataFrame, series: pd.Index) -> pd.DataFrame:
    """Return series_id, total_id and dimension as text. Raises ValueError that names the column and the reason."""
    columns = ("series_id", "total_id", "dimension")
    given = hierarchy if "dimension" in hierarchy.columns else hierarchy.assign(dimension="")
    tree = checked(given, "hierarchy", columns, ())
    for column in ("series_id", "total_id"):
        unknown = tree.loc[~tree[column].isin(series), column]
        if len(unknown):
            raise ValueError(f"hierarchy: column {column} names {unknown.iloc[0]}, which the history does not contain")
    twice = tree.duplicated(["series_id", "dimension"])
    if twice.any():
        raise ValueError(f"hierarchy: column series_id has {tree.loc[twice, 'series_id'].iloc[0]} more than once")
    if (tree["series_id"] == tree["total_id"]).any():
        raise ValueError("hierarchy: column total_id names a series as its own total")
    try:
        TopologicalSorter(tree.groupby("total_id")["series_id"].agg(list).to_dict()).prepare()
    except CycleError as error:
        raise ValueError(f"hierarchy: column total_id runs in a circle through {error.args[1][0]}") from None
    return tree


def reconcile(forecasts: Floats, errors: Floats, tree: pd.DataFrame, series: pd.Index, *, nonnegative: Flags) -> Floats:
    """Return forecasts (series, step) that add up according to `tree`, those of `nonnegative` series not below zero.

    errors: root mean square error of the forecasts (series, step); the larger it is, the more a forecast changes.
    """
    constraints = _constraints(tree, series)
    result = forecasts.copy()
    for group in _connected(constraints):
        rows = constraints[(constraints[:, group] != 0).any(axis=1)][:, group]
        for step in range(forecasts.shape[1]):
            result[group, step] = _project(forecasts[group, step], errors[group, step], rows, nonnegative[group])
    return result


def _connected(constraints: Floats) -> list[npt.NDArray[np.int64]]:
    """Return the positions of each group of series that constraints connect; series without constraints are in none."""
    linked = (constraints != 0).astype(int)
    count, label = csgraph.connected_components(linked.T @ linked, directed=False)
    groups = [np.flatnonzero(label == number) for number in range(count)]
    return [group for group in groups if len(group) > 1]


def _constraints(tree: pd.DataFrame, series: pd.Index) -> Floats:
    """Return one row (series,) per total and dimension: the total less its members, which must be zero."""
    groups = tree.groupby(["total_id", "dimension"], sort=True)
    rows = np.zeros((groups.ngroups, len(series)))
    for row, ((total, _), members) in zip(rows, groups, strict=True):
        row[series.get_indexer(pd.Index([total]))] = 1.0
        row[series.get_indexer(pd.Index(members["series_id"]))] = -1.0
    return rows


def _project(forecasts: Floats, error: Floats, constraints: Floats, nonnegative: Flags) -> Floats:
    """Return the nearest forecasts (series,), in units of their errors (series,), that fulfil the constraints."""
    unit = np.abs(forecasts).max()
    if unit == 0:
        return forecasts
    # Only ratios enter: forecasts to the largest, errors to the largest. A fixed forecast has a weight of 0.
    result, weight = forecasts / unit, np.maximum(error / (error.max() or 1.0), LEAST_ERROR)
    while True:
        for _ in range(REPEATS):
            result = result - weight * np.linalg.lstsq(constraints * weight, constraints @ result, rcond=None)[0]
        negligible = np.where(constraints != 0, np.abs(result), 0.0).max(axis=1) < NEGLIGIBLE  # (constraint,)
        becomes_zero = (nonnegative & (result < 0)) | ((constraints[negligible] != 0).any(axis=0) & (result != 0))
        if not becomes_zero.any():
            break
        # A member that would be negative is fixed at zero, and the others change instead.
        result, weight = np.where(becomes_zero, 0.0, result), np.where(becomes_zero, 0.0, weight)
    limit = np.finfo(float).max
    with np.errstate(over="ignore"):
        return np.asarray(np.clip(result * unit, -limit, limit))
