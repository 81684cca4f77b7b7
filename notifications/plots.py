"""Rendering of a Plot: a picture (PNG), or one line of text."""

import io
from functools import lru_cache
from threading import Lock
from typing import Final

import numpy as np

from notifications.messages import Plot

SIZE_INCHES: Final = (6.4, 2.4)
DPI: Final = 120
LINE, BAND, EXPECTED, MARK, TEXT = "#1d4ed8", "#bfdbfe", "#60a5fa", "#dc2626", "#374151"
BARS: Final = "▁▂▃▄▅▆▇█"
BEGINNING: Final = "|"  # of the coming days

_drawing = Lock()  # channels work in threads, and figures of matplotlib share their fonts


@lru_cache(maxsize=16)  # a digest goes to many receivers with the same picture
def png(plot: Plot) -> bytes:
    """Return the plot as a PNG of 768 x 288 pixels: the series, its expected values and their range."""
    from matplotlib.figure import Figure

    with _drawing:
        figure = Figure(figsize=SIZE_INCHES, dpi=DPI, layout="constrained", facecolor="white")
        axes = figure.add_subplot()
        days = np.array(plot.days, dtype="datetime64[D]")
        actual, expected, lower, upper = (
            np.array(values, dtype=float) for values in (plot.actual, plot.expected, plot.lower, plot.upper)
        )
        axes.fill_between(days, lower, upper, color=BAND, linewidth=0)
        axes.plot(days, expected, color=EXPECTED, linewidth=1.2, linestyle="--")
        axes.plot(days, actual, color=LINE, linewidth=1.8)
        if plot.marked:
            marked = days == np.datetime64(plot.marked, "D")
            axes.plot(days[marked], actual[marked], "o", color=MARK)
        if plot.coming_from is not None:
            begins = days[plot.coming_from].astype("datetime64[h]") - np.timedelta64(12, "h")
            axes.axvline(begins, color=TEXT, linewidth=0.8, linestyle=":")
            axes.annotate(
                "forecast", (begins, 1), xycoords=("data", "axes fraction"), xytext=(4, -2), color=TEXT, fontsize=8,
                textcoords="offset points", va="top",
            )  # fmt: skip
        axes.set_title(plot.title, loc="left", fontsize=10, color=TEXT, parse_math=False)
        axes.set_xticks(days[::7], [f"{day.day} {day:%b}" for day in plot.days[::7]])
        axes.tick_params(labelsize=8, colors=TEXT)
        axes.spines[["top", "right"]].set_visible(False)
        axes.yaxis.set_major_formatter("{x:,.0f}")
        image = io.BytesIO()
        figure.savefig(image, format="png", metadata={"Software": None})
    return image.getvalue()


def sparkline(plot: Plot) -> str:
    """Return one character per day: the actual value, else the expected one; a dot where both are missing.

    A bar stands before the first coming day.
    """
    values = [
        actual if actual is not None else expected for actual, expected in zip(plot.actual, plot.expected, strict=True)
    ]
    present = [value for value in values if value is not None]
    if not present:
        return ""
    low, span = min(present), (max(present) - min(present)) or 1
    line = ["·" if value is None else BARS[round((value - low) / span * (len(BARS) - 1))] for value in values]
    if plot.coming_from is not None:
        line.insert(plot.coming_from, BEGINNING)
    return "".join(line)
