"""Plot of the accuracy tables."""

from pathlib import Path

import matplotlib
import pandas as pd

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

OURS, PEERS = "#0b6e4f", "#b8c4c2"
MOST_FALSE_ALARMS = 6.0  # per 100 days: methods with more are not shown


def draw(bars: dict[str, pd.Series], anomalies: pd.DataFrame | None, path: Path) -> None:
    """Write a PNG with a panel of bars for each of `bars` (method -> figure, smaller is better), and one of anomalies.

    anomalies: one row per method, with F1 and false_alarm_days. Names that begin with `forecast` or contain `detect`
    are the Hub's methods.
    """
    panels = len(bars) + (anomalies is not None)
    columns = min(panels, 2)
    rows = -(-panels // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(6.2 * columns, 3.6 * rows), squeeze=False)
    for axis, (title, figures) in zip(axes.flat, bars.items(), strict=False):
        _bars(axis, title, figures.dropna().sort_values(ascending=False))
    if anomalies is not None:
        _alarms(axes.flat[len(bars)], anomalies.dropna(subset=["F1", "false_alarm_days"]))
    for axis in axes.flat[panels:]:
        axis.axis("off")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _is_ours(method: str) -> bool:
    return method.startswith("forecast") or "detect" in method


def _bars(axis: Axes, title: str, figures: pd.Series) -> None:
    names = [str(name) for name in figures.index]
    drawn = axis.barh(names, figures.to_numpy(), color=[OURS if _is_ours(name) else PEERS for name in names])
    axis.bar_label(drawn, fmt="%.2f", padding=3, fontsize=8)
    axis.set_title(title, fontsize=10, loc="left")
    axis.tick_params(labelsize=8)
    axis.margins(x=0.12)
    axis.spines[["top", "right"]].set_visible(False)


def _alarms(axis: Axes, table: pd.DataFrame) -> None:
    shown = table[table["false_alarm_days"] <= MOST_FALSE_ALARMS]
    for name, row in shown.iterrows():
        axis.scatter(row["false_alarm_days"], row["F1"], color=OURS if _is_ours(str(name)) else PEERS, zorder=3)
        label = str(name).strip("*")
        axis.annotate(label, (row["false_alarm_days"], row["F1"]), (5, 3), textcoords="offset points", fontsize=7)
    axis.set_title("Anomalies: F1 by false-alarm days per 100 (up and left is better)", fontsize=10, loc="left")
    axis.set_xlim(-0.1, MOST_FALSE_ALARMS)
    axis.set_ylim(0, 1)
    axis.grid(alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
