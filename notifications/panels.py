"""What the explorer shows of an exploration: figures, words, chart, table and SQL, for pages and messages."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Final

from notifications import charts
from notifications.charts import Spec
from sources import formatting
from sources.operations import figures
from sources.operations.errors import Refusal
from sources.operations.explorations import Exploration
from sources.operations.figures import TOTAL, Comparison, Figure, Figures, Metric, Series
from sources.operations.saved_views import Tile
from sources.operations.transaction import Tx

MOST_DRAWN: Final = len(charts.SERIES)  # members in a chart
MOST_CELLS: Final = 1_000  # of a table in a page; the CSV has all
MOST_ROWS: Final = 120
LEAST_POINTS: Final = 1.0  # of a share, to be called good or bad
SHADES: Final = 7  # of the classes h0 to h7
COMPARED: Final[dict[Comparison, str]] = {
    "previous": "Period before", "year_ago": "Last year", "target": "Target",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Compared:
    """A comparison of a figure: with what, the change (such as 5% more; empty where it would mislead), and its tone."""

    base: Decimal | None
    change: str
    words: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Cells by row and column; None: there is no such period."""

    columns: list[str]
    rows: list[tuple[str, list[Figure | None]]]


@dataclass(frozen=True)
class Panel:
    """An exploration with its figures."""

    exploration: Exploration
    figures: Figures

    @property
    def metric(self) -> Metric:
        return self.figures.items[0].metric

    @property
    def series(self) -> list[Series]:
        return self.figures.items[0].series

    @property
    def is_split(self) -> bool:
        """Return True if there may be several members."""
        return self.exploration.by != TOTAL and len(self.exploration.member) != 1

    @cached_property
    def periods(self) -> list[Figure]:
        """Return the periods, the first one first, as the figures of one member."""
        return self.series[0].figures if self.series else []

    @property
    def title(self) -> str:
        of = self.exploration
        by = f" by {of.by.replace('_', ' ')}" if self.is_split else ""
        if of.by != TOTAL and not self.is_split and self.series:
            by = f" of {self.series[0].member_label}"
        return f"{self.metric.label}{by}"

    @cached_property
    def members_shown(self) -> list[Series]:
        """Return the members that fit into a table of the page, the largest first."""
        return self.series[: max(MOST_DRAWN, MOST_CELLS // max(len(self.periods), 1))]

    @property
    def final_day(self) -> date:
        """Return the last day whose figures are final."""
        return self.figures.as_of - timedelta(days=self.metric.final_after_days)

    @property
    def total(self) -> Decimal | None:
        """Return the sum of all periods, of what may be added up and is not split; None for others."""
        values = [figure.value for figure in self.periods if figure.value is not None]
        return sum(values, Decimal(0)) if self.metric.kind == "sum" and not self.is_split and len(values) > 1 else None

    def shown(self, value: Decimal | None) -> str:
        """Format a figure in the unit of the metric."""
        return formatting.figure_or_dash(value, self.metric.unit, self.figures.currency)

    def name_of(self, figure: Figure) -> str:
        """Format the period of a figure, e.g. Week of 4 May 2026, so far."""
        return formatting.period(figure.period_start, self.exploration.grain) + _so_far(figure)

    def short_name_of(self, figure: Figure) -> str:
        """Format the period of a figure for a narrow place, e.g. 4 May, so far."""
        return formatting.short_period(figure.period_start, self.exploration.grain) + _so_far(figure)

    @property
    def days(self) -> str:
        """Return the grain and the days as a sentence, e.g. Week by week, from 4 May 2026 to 14 June 2026."""
        grain, found = self.exploration.grain, self.figures
        last = min(found.last, self.final_day)
        first = self.periods[0].period_start if self.periods else found.first
        return f"{grain.capitalize()} by {grain}, from {formatting.date_words(first)} to {formatting.date_words(last)}."

    def counted_days(self, figure: Figure) -> tuple[int, int]:
        """Return the days of a period that are in its figure, and all of its days."""
        length = (figure.period_end - figure.period_start).days + 1
        return min(length, (self.final_day - figure.period_start).days + 1), length

    @property
    def to_date(self) -> str:
        """Return what to know of a period that is not over, as sentences; empty where all are."""
        last = self.periods[-1] if self.periods else None
        if last is None or not last.is_partial:
            return ""
        counted, length = self.counted_days(last)
        days = f"{counted} of its {length} days, up to {formatting.short_day(self.final_day)}"
        words = f"{formatting.period(last.period_start, self.exploration.grain)} is not over: it has {days}."
        with_same = [
            words
            for name, words in (
                ("previous", f"the first {formatting.counted(counted, 'day')} of the {self.exploration.grain} before"),
                ("year_ago", "the same weekdays of last year"),
            )
            if name in self.exploration.compare
        ]
        return words + (f" It is compared with {formatting.listed(with_same)}." if with_same else "")

    def compared(self, figure: Figure) -> list[Compared]:
        """Return the comparisons of a figure, in the order of the exploration."""
        return [self._compared(figure, name) for name in self.exploration.compare]

    def told(self, figure: Figure) -> list[tuple[str, str]]:
        """Return the comparisons of a figure in words, each with its tone."""
        return [(compared.words, compared.tone) for compared in self.compared(figure)]

    def _compared(self, figure: Figure, name: Comparison) -> Compared:
        grain, unit, currency = self.exploration.grain, self.metric.unit, self.figures.currency
        counted, _ = self.counted_days(figure)
        before = f"the first {formatting.counted(counted, 'day')} of the {grain} before"
        of = {
            "previous": before if figure.is_partial else f"the {grain} before",
            "year_ago": "the same weekdays last year",
            "target": "the target",
        }[name]
        value, base = figure.value, figure.compared[name]
        if value is None or base is None:
            return Compared(base, "", "no target is set" if name == "target" else f"{of}: not known")
        share = formatting.change(value, base, unit, currency)
        points = 0.0
        if unit == "share":
            points = round(100 * abs(formatting.rounded(value, unit) - formatting.rounded(base, unit)), 1)
            share = f"{formatting.figure(points, 'score')} points" if points else None
        if share is None or value == base:
            return Compared(base, "", f"{of}: {self.shown(base)}")
        change = f"{share} {'more' if value > base else 'less'}"
        is_good = (value > base) == (self.metric.good_direction == "up")
        is_small = points < LEAST_POINTS if unit == "share" else share.startswith("under")
        is_told = not is_small and not (name == "target" and figure.is_partial)
        tone = ("good" if is_good else "bad") if is_told else ""
        return Compared(base, change, f"{change} than {of} ({self.shown(base)})", tone)

    @property
    def heat_map(self) -> HeatMap:
        """Return the periods of what is not split: weekdays by week, months and quarters by year, others in one row."""
        match self.exploration.grain:
            case "day":
                columns = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
                places = {figure.period_start: figure.period_start.weekday() for figure in self.periods}
                rows = {
                    day: formatting.short_period(day - timedelta(days=column), "week") for day, column in places.items()
                }
            case "month" | "quarter":
                length = 1 if self.exploration.grain == "month" else 3
                columns = [
                    formatting.period(date(2000, month, 1), self.exploration.grain).split()[0][:3]
                    for month in range(1, 13, length)
                ]
                places = {figure.period_start: (figure.period_start.month - 1) // length for figure in self.periods}
                rows = {day: str(day.year) for day in places}
            case _:
                columns = [self.short_name_of(figure) for figure in self.periods]
                places = {figure.period_start: place for place, figure in enumerate(self.periods)}
                rows = dict.fromkeys(places, self.metric.label)
        cells: dict[str, list[Figure | None]] = {row: [None] * len(columns) for row in rows.values()}
        for figure in self.periods:
            cells[rows[figure.period_start]][places[figure.period_start]] = figure
        return HeatMap(columns, list(cells.items()))

    def shade(self, value: Decimal | None) -> str:
        """Return the class of a cell of a heat map: its share of the largest figure."""
        return f"h{round(SHADES * abs(value) / self._largest)}" if value else "h0"

    @cached_property
    def _largest(self) -> Decimal:
        return max((abs(each.value) for one in self.series for each in one.figures if each.value), default=Decimal(1))

    @cached_property
    def chart(self) -> Spec | None:
        """Return the chart of the exploration; None for tables and where there is nothing to draw."""
        if self.exploration.view not in ("line", "bar") or not self.series:
            return None
        is_share, is_stacked = self.metric.unit == "share", self.is_split and self.metric.kind == "sum"
        is_line = self.exploration.view == "line"
        spec = charts.periods_in_lines(is_share) if is_line else charts.periods_in_bars(is_share, is_stacked)
        return charts.with_rows(spec, self._rows())

    def _rows(self) -> Iterator[charts.Row]:
        for one in self.series[:MOST_DRAWN]:
            name = one.member_label if self.is_split else self.metric.label
            for figure in one.figures:
                yield self._row(figure, name, figure.value, is_compared=False)
        if not self.is_split:
            for comparison in self.exploration.compare:
                for figure in self.periods:
                    yield self._row(figure, COMPARED[comparison], figure.compared[comparison], is_compared=True)

    @property
    def by_latest(self) -> list[Series]:
        """Return the members by their latest figure, the largest first, those without one last."""
        return sorted(self.series, key=lambda one: one.figures[-1].value or Decimal(0), reverse=True)

    def _row(self, figure: Figure, series: str, value: Decimal | None, *, is_compared: bool) -> charts.Row:
        period = formatting.short_period(figure.period_start, self.exploration.grain)
        shown = self.shown(value)
        return {"period": period, "series": series, "value": value, "shown": shown, "is_compared": is_compared}

    @property
    def sql(self) -> str:
        """Return a statement for BI tools that gives these figures, to read and to copy."""
        of, found = self.exploration, self.figures
        members = ", ".join(_literal(member) for member in of.member)
        return "\n".join(
            [
                f"select {', '.join(['period_start', 'is_partial', 'member', 'value', *of.compare])}",
                "from marts.metrics_period",
                f"where metric = {_literal(self.metric.metric)} and dimension = {_literal(of.by)}",
                f"    and grain = {_literal(of.grain)}",
                f"    and period_end >= date '{found.first}' and period_start <= date '{found.last}'",
                *([f"    and member in ({members})"] if members else []),
                "order by period_start, member;",
            ]
        )


def _so_far(figure: Figure) -> str:
    return ", so far" if figure.is_partial else ""


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


async def read_panel(tx: Tx, exploration: Exploration, as_of: date) -> Panel:
    """Return an exploration with its figures. Raises Refusal: those of figures.query_figures."""
    return Panel(exploration, await figures.query_figures(tx, exploration.query(as_of)))


@dataclass(frozen=True, slots=True)
class ShownTile:
    """A tile of a dashboard with its figures, or with the sentence why it has none."""

    tile: Tile
    panel: Panel | None
    refused: str


async def read_tile(tx: Tx, tile: Tile, as_of: date) -> ShownTile:
    """Return a tile with its figures up to `as_of`. Raises Refusal unavailable."""
    try:
        return ShownTile(tile, await read_panel(tx, tile.exploration, as_of), "")
    except Refusal as refusal:
        if refusal.kind == "unavailable":
            raise
        return ShownTile(tile, None, str(refusal))
