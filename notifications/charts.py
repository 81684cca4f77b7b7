"""Every chart, as a specification of Vega-Lite made by Altair: pages draw it, and messages have it as a picture.

A specification is made once; the rows come in as its named dataset `rows`, so that a page does not make it anew.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import cache, lru_cache
from typing import Any, Final

import altair as alt
import vl_convert

from notifications.messages import Chart, Plot
from sources import formatting

Spec = dict[str, Any]
Row = Mapping[str, object]

WIDTH, HEIGHT = 620, 190  # of a picture, in points
SCALE: Final = 1.2  # pixels of a point
# Each colour has a contrast of 3:1 with a white and with a dark page, but the range, which lies behind a line.
LINE, BAND, EXPECTED, MARK, TEXT = "#3b76e8", "#3b76e8", "#3b76e8", "#dc4446", "#6b7684"
SERIES: Final = ("#3b76e8", "#c2631c", "#2f8f5b", "#9a5fd0", "#b8860b", "#c2417c", "#2b8a99", "#7a7f87")
ROW_HEIGHT: Final = 26  # of a horizontal bar, in points
BARS: Final = "▁▂▃▄▅▆▇█"
BEGINNING: Final = "|"  # of the coming days
ROWS: Final = "rows"
# Thousands and more in short; a format for all figures would write 0.8 as 800m.
_SHORT: Final = "abs(datum.value) < 1000 ? format(datum.value, ',.2~f') : format(datum.value, ',.2~s')"
FIGURES: Final = alt.Axis(title=None, labelExpr=_SHORT, tickCount=4)
SHARES: Final = alt.Axis(title=None, format=".0%", tickCount=4)


def with_rows(spec: Spec, rows: Iterable[Row]) -> Spec:
    """Return `spec` with its rows, in the locale in use; days become local midnights (ISO 8601), numbers floats."""
    plain = [{name: _plain(value) for name, value in row.items()} for row in rows]
    decimal, thousands = formatting.separators()
    number = {"decimal": decimal, "thousands": thousands, "grouping": [3], "currency": ["", ""]}
    config = {**spec["config"], "locale": {"number": number}}
    return {**spec, "config": config, "datasets": {ROWS: plain}}


def _plain(value: object) -> object:
    if isinstance(value, date):
        return f"{value.isoformat()}T00:00:00"  # a day alone would be read as UTC, a day earlier in the west
    return value if value is None or isinstance(value, (str, bool, int)) else float(value)  # type: ignore[arg-type]


def made(chart: alt.LayerChart | alt.Chart | alt.FacetChart) -> Spec:
    """Return the specification of `chart`, whose data are `alt.NamedData(ROWS)`, in the style of all charts."""
    styled = chart.configure(
        font="sans-serif",
        axis=alt.AxisConfig(labelFontSize=11, titleFontSize=11, gridOpacity=0.5, domainOpacity=0.4, tickOpacity=0.4),
        view=alt.ViewConfig(stroke="transparent"),
        range=alt.RangeConfig(category=list(SERIES)),
    )
    spec: Spec = styled.to_dict()
    return spec


def days_axis() -> alt.X:
    """Return the axis of days, the field `day`."""
    return alt.X("day:T", title=None, axis=alt.Axis(format="%-d %b", grid=False, labelOverlap=True))


def tooltips(fields: Sequence[tuple[str, str]]) -> list[alt.Tooltip]:
    """Return the day and figures (field, name) that a chart shows under the pointer."""
    return [
        alt.Tooltip("day:T", title="Day", format="%a %-d %b %Y"),
        *(alt.Tooltip(f"{field}:Q", title=name, format=",.2~f") for field, name in fields),
    ]


@cache
def _series(has_marked: bool, has_forecast: bool, has_events: bool) -> Spec:
    """A daily series (actual), what was expected, its range, marked days, events, and where the forecast begins."""
    base = alt.Chart(alt.NamedData(ROWS)).encode(days_axis())
    shown = tooltips([("actual", "Actual"), ("expected", "Expected"), ("lower", "Lower"), ("upper", "Upper")])
    layers = [
        base.mark_area(color=BAND, opacity=0.18).encode(y=alt.Y("lower:Q", axis=FIGURES), y2="upper:Q"),
        base.mark_line(color=EXPECTED, strokeDash=[4, 3], strokeWidth=1.2).encode(y="expected:Q", tooltip=shown),
        base.mark_line(color=LINE, strokeWidth=2).encode(y="actual:Q", tooltip=shown),
    ]
    if has_marked:
        marked = base.transform_filter("datum.is_marked").mark_point(color=MARK, filled=True, size=70, opacity=1)
        layers.append(marked.encode(y="actual:Q", tooltip=shown))
    if has_forecast:
        first = base.transform_filter("datum.begins")
        word = first.mark_text(align="left", dx=4, baseline="top", color=TEXT, fontSize=10)
        layers += [
            first.mark_rule(color=TEXT, strokeDash=[2, 3]),
            word.encode(y=alt.value(2), text=alt.value("forecast")),
        ]
    if has_events:
        planned = base.transform_filter("datum.event !== null").mark_tick(color=SERIES[1], thickness=3, size=12)
        named = [alt.Tooltip("day:T", title="Day", format="%a %-d %b %Y"), alt.Tooltip("event:N", title="Planned")]
        layers.append(planned.encode(y=alt.value(HEIGHT), tooltip=named))
    return made(alt.layer(*layers))


def series(rows: Sequence[Row]) -> Spec:
    """Return the chart of a daily series.

    A row has day, actual, expected, lower, upper (None where one is missing), is_marked, begins (the forecast begins on
    that day) and event (the title of what is planned, or None).
    """
    has_marked = any(row["is_marked"] and row["actual"] is not None for row in rows)
    has_forecast, has_events = (any(row[name] for row in rows) for name in ("begins", "event"))
    return with_rows(_series(has_marked, has_forecast, has_events), rows)


def of_plot(plot: Plot) -> Spec:
    """Return the chart of a plot."""
    return series(
        [
            {
                "day": day, "actual": actual, "expected": expected, "lower": lower, "upper": upper,
                "is_marked": day == plot.marked, "begins": position == plot.coming_from, "event": None,
            }
            for position, (day, actual, expected, lower, upper) in enumerate(
                zip(plot.days, plot.actual, plot.expected, plot.lower, plot.upper, strict=True)
            )
        ]
    )  # fmt: skip


@cache
def bars() -> Spec:
    """Bars of named values, in the order of the rows; a row has name and value."""
    base = alt.Chart(alt.NamedData(ROWS)).encode(
        x=alt.X("name:N", title=None, sort=None, axis=alt.Axis(labelAngle=0, labelLimit=110, labelOverlap=False)),
        y=alt.Y("value:Q", axis=FIGURES),
        tooltip=[alt.Tooltip("name:N", title="Of"), alt.Tooltip("value:Q", title="Value", format=",.2~f")],
    )
    return made(base.mark_bar(color=LINE, cornerRadiusEnd=3, width={"band": 0.6}))


def ranked_bars(rows: Sequence[Row]) -> Spec:
    """Return horizontal bars of named values, the largest first, a fall in another colour; a row has name and value."""
    return with_rows({**_ranked_bars(), "height": ROW_HEIGHT * len(rows)}, rows)


@cache
def _ranked_bars() -> Spec:
    base = alt.Chart(alt.NamedData(ROWS)).encode(
        y=alt.Y("name:N", title=None, sort="-x", axis=alt.Axis(labelLimit=150)),
        x=alt.X("value:Q", axis=FIGURES),
        color=alt.condition("datum.value < 0", alt.value(SERIES[1]), alt.value(LINE)),
        tooltip=[alt.Tooltip("name:N", title="Of"), alt.Tooltip("value:Q", title="Value", format=",.2~f")],
    )
    return made(base.mark_bar(cornerRadiusEnd=2, height={"band": 0.7}))


@cache
def columns_of_two() -> Spec:
    """Two bars for each name, side by side; a row has name, series and value."""
    base = alt.Chart(alt.NamedData(ROWS)).encode(
        x=alt.X("name:N", title=None, sort=None, axis=alt.Axis(labelAngle=0, labelOverlap=True)),
        xOffset=alt.XOffset("series:N", sort=None),
        y=alt.Y("value:Q", axis=FIGURES),
        color=alt.Color("series:N", sort=None, legend=alt.Legend(title=None, orient="top")),
        tooltip=[
            alt.Tooltip("name:N", title="Of"), alt.Tooltip("series:N", title="When"),
            alt.Tooltip("value:Q", title="Value", format=",.2~f"),
        ],
    )  # fmt: skip
    return made(base.mark_bar(cornerRadiusEnd=2))


@cache
def monthly_bars() -> Spec:
    """Bars of months; a row has day, the first of the month, and value."""
    base = alt.Chart(alt.NamedData(ROWS)).encode(
        x=alt.X("yearmonth(day):T", title=None, axis=alt.Axis(format="%b %y", labelOverlap=True)),
        y=alt.Y("value:Q", axis=FIGURES),
        tooltip=[
            alt.Tooltip("day:T", title="Month", format="%b %Y"),
            alt.Tooltip("value:Q", title="Value", format=",.2~f"),
        ],
    )
    return made(base.mark_bar(color=LINE, cornerRadiusEnd=2))


@cache
def line() -> Spec:
    """A line through the values of days; a row has day and value."""
    base = alt.Chart(alt.NamedData(ROWS)).encode(
        days_axis(), y=alt.Y("value:Q", axis=FIGURES), tooltip=tooltips([("value", "Value")])
    )
    return made(base.mark_line(color=LINE, strokeWidth=2, point=alt.OverlayMarkDef(size=24, color=LINE)))


@cache
def periods_in_lines(is_share: bool) -> Spec:
    """Lines through the values of periods: rows of period, series, value, shown, and is_compared for a dashed line."""
    base = alt.Chart(alt.NamedData(ROWS)).encode(
        x=_periods(),
        y=alt.Y("value:Q", axis=SHARES if is_share else FIGURES),
        color=_series_colours(),
        strokeDash=alt.StrokeDash(
            "is_compared:N", scale=alt.Scale(domain=[False, True], range=[[1, 0], [4, 3]]), legend=None
        ),
        tooltip=_of_period(),
    )
    return made(base.mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=28)))


@cache
def periods_in_bars(is_share: bool, is_stacked: bool) -> Spec:
    """Bars of the values of periods, with the rows of `periods_in_lines`: the series on each other, or side by side."""
    base = alt.Chart(alt.NamedData(ROWS)).encode(
        x=_periods(),
        y=alt.Y("value:Q", axis=SHARES if is_share else FIGURES, stack="zero" if is_stacked else None),
        color=_series_colours(),
        tooltip=_of_period(),
    )
    bars_of_all = base.mark_bar(cornerRadiusEnd=2)
    return made(bars_of_all if is_stacked else bars_of_all.encode(xOffset=alt.XOffset("series:N", sort=None)))


def _periods() -> alt.X:
    axis = alt.Axis(labelOverlap=True, labelLimit=120, labelAngle=0, grid=False)
    return alt.X("period:O", title=None, sort=None, axis=axis)


def _series_colours() -> alt.Color:
    legend = alt.Legend(title=None, orient="top", labelLimit=170, columns=2, symbolLimit=len(SERIES))
    return alt.Color("series:N", sort=None, legend=legend)


def _of_period() -> list[alt.Tooltip]:
    names = {"period": "Period", "series": "Of", "shown": "Value"}
    return [alt.Tooltip(f"{field}:N", title=name) for field, name in names.items()]


@lru_cache(maxsize=32)  # a message goes to many receivers with the same pictures
def png(block: Plot | Chart) -> bytes:
    """Return the picture of a block: of a plot that of `of_plot`, with its title above it."""
    if isinstance(block, Chart):
        spec = json.loads(block.spec)
    else:
        with formatting.in_locale(block.locale):
            spec = of_plot(block) | {"title": {"text": block.title, "anchor": "start", "fontSize": 12, "color": TEXT}}
    picture: bytes = vl_convert.vegalite_to_png(
        {**spec, "width": WIDTH, "height": HEIGHT, "background": "white"}, scale=SCALE
    )
    return picture


def sparkline(plot: Plot) -> str:
    """Return the characters of `sparks` of the days: of the actual value, else of the expected one.

    A bar stands before the first coming day.
    """
    line = sparks(
        [
            actual if actual is not None else expected
            for actual, expected in zip(plot.actual, plot.expected, strict=True)
        ]
    )
    return line if plot.coming_from is None else line[: plot.coming_from] + BEGINNING + line[plot.coming_from :]


def sparks(values: Sequence[float | None]) -> str:
    """Return one character for each value; a dot for one that is missing, and nothing where all are."""
    present = [value for value in values if value is not None]
    if not present:
        return ""
    low, span = min(present), (max(present) - min(present)) or 1
    return "".join("·" if value is None else BARS[round((value - low) / span * (len(BARS) - 1))] for value in values)
