"""Forecasts that add up: the smallest weighted change after which members sum to their totals.

Minimum trace reconciliation with error variances as weights (Wickramasuriya, Athanasopoulos, Hyndman 2019), in its form
by constraints (Di Fonzo, Girolimetto 2023), so that one total may be split in several ways and totals may be nested.
"""

from graphlib import CycleError, TopologicalSorter

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import csgraph

from ml.panel import Flags, Floats, checked

LEAST_ERROR = 1e-6  # of the largest: as if even what never erred erred so much
REPEATS = 3  # of the projection: the others take away what rounding left
NOTHING = 1e-10  # of the largest: a sum all of whose parts are smaller is zero, not rounding


def checked_hierarchy(hierarchy: pd.DataFrame, series: pd.Index) -> pd.DataFrame:
    """series_id, total_id and dimension as text. Raises ValueError with the column and why."""
    columns = ("series_id", "total_id", "dimension")
    given = hierarchy if "dimension" in hierarchy.columns else hierarchy.assign(dimension="")
    tree = checked(given, "hierarchy", columns, ())
    for column in ("series_id", "total_id"):
        unknown = tree.loc[~tree[column].isin(series), column]
        if len(unknown):
            raise ValueError(f"hierarchy: column {column} names {unknown.iloc[0]}, which the history does not know")
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
    """Forecasts (series, step) that add up as `tree` says, those of `nonnegative` series not below zero.

    errors: how much the forecasts usually err (root of the mean square), (series, step); what is known worse
    moves more.
    """
    constraints = _constraints(tree, series)
    result = forecasts.copy()
    for part in _parts(constraints):
        rows = constraints[(constraints[:, part] != 0).any(axis=1)][:, part]
        for step in range(forecasts.shape[1]):
            result[part, step] = _project(forecasts[part, step], errors[part, step], rows, nonnegative[part])
    return result


def _parts(constraints: Floats) -> list[npt.NDArray[np.int64]]:
    """Positions of the series that hang together, of those that take part."""
    linked = (constraints != 0).astype(int)
    count, label = csgraph.connected_components(linked.T @ linked, directed=False)
    parts = [np.flatnonzero(label == number) for number in range(count)]
    return [part for part in parts if len(part) > 1]


def _constraints(tree: pd.DataFrame, series: pd.Index) -> Floats:
    """One row a total and dimension: the total less its members."""
    groups = tree.groupby(["total_id", "dimension"], sort=True)
    rows = np.zeros((groups.ngroups, len(series)))
    for row, ((total, _), members) in zip(rows, groups, strict=True):
        row[series.get_indexer(pd.Index([total]))] = 1.0
        row[series.get_indexer(pd.Index(members["series_id"]))] = -1.0
    return rows


def _project(said: Floats, error: Floats, constraints: Floats, nonnegative: Flags) -> Floats:
    """The nearest forecasts (series,) in units of their errors (series,) that fulfil the constraints."""
    unit = np.abs(said).max()
    if unit == 0:
        return said
    # Nothing but ratios enters: amounts to the largest, errors to the largest.
    said, free = said / unit, np.maximum(error / (error.max() or 1.0), LEAST_ERROR)
    while True:
        for _ in range(REPEATS):
            said = said - free * np.linalg.lstsq(constraints * free, constraints @ said, rcond=None)[0]
        tiny = np.where(constraints != 0, np.abs(said), 0.0).max(axis=1) < NOTHING
        zero = (nonnegative & (said < 0)) | ((constraints[tiny] != 0).any(axis=0) & (said != 0))
        if not zero.any():
            break
        # A member that would be negative is zero, and the others make up for it.
        said, free = np.where(zero, 0.0, said), np.where(zero, 0.0, free)
    limit = np.finfo(float).max
    with np.errstate(over="ignore"):
        return np.asarray(np.clip(said * unit, -limit, limit))
