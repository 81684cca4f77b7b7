"""Panels on figures made by hand."""

from datetime import date, timedelta
from decimal import Decimal

from notifications.panels import Panel
from sources.operations.explorations import Exploration
from sources.operations.figures import Comparison, Figure, Figures, Metric, MetricFigures, Series

AS_OF = date(2026, 5, 6)  # a Wednesday


def panel(
    values: list[tuple[Decimal | None, Decimal | None]], *, unit: str = "money", compare: Comparison = "previous",
    good_direction: str = "up", **exploration: object,
) -> Panel:  # fmt: skip
    """Return the panel of weeks or days up to AS_OF, each with its value and what it is compared with."""
    of = Exploration.model_validate({"compare": [compare], **exploration})
    length = 7 if of.grain == "week" else 1
    last = AS_OF - timedelta(days=AS_OF.weekday() if of.grain == "week" else 0)
    figures = [
        Figure(
            period_start=(start := last - timedelta(days=length * (len(values) - 1 - place))),
            period_end=(end := start + timedelta(days=length - 1)),
            is_partial=end > AS_OF, value=value, compared={compare: base},
        )
        for place, (value, base) in enumerate(values)
    ]  # fmt: skip
    metric = Metric(
        metric="m", label="Measure", description="", unit=unit, kind="sum", numerator=None, denominator=None,
        dimensions=["total", "service"], good_direction=good_direction, final_after_days=0, is_watched=True,
    )  # fmt: skip
    series = [Series(member="all", member_label="all", figures=figures)]
    found = Figures(
        as_of=AS_OF, currency="EUR", dimension=of.by, grain=of.grain, first=figures[0].period_start, last=AS_OF,
        items=[MetricFigures(metric=metric, series=series)],
    )  # fmt: skip
    return Panel(of, found)
