"""Panels on figures made by hand."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal

from notifications.panels import Panel
from sources.operations.explorations import Exploration
from sources.operations.figures import Comparison, Figure, Figures, Metric, MetricFigures, Series

AS_OF = date(2026, 5, 6)  # a Wednesday
Compared = tuple[Decimal | None, Decimal | None]  # a value, and what it is compared with


def panel(
    values: Sequence[Compared], *, unit: str = "money", compare: Comparison = "previous",
    good_direction: str = "up", **exploration: object,
) -> Panel:  # fmt: skip
    """Return the panel of weeks or days up to AS_OF."""
    of = Exploration.model_validate({"compare": [compare], **exploration})
    return _panel(of, {"all": values}, unit, good_direction)


def split_panel(members: Mapping[str, Sequence[Decimal]]) -> Panel:
    """Return the panel of amounts by service, in weeks up to AS_OF."""
    of = Exploration(by="service", compare=["previous"])
    return _panel(of, {name: [(value, None) for value in values] for name, values in members.items()}, "money", "up")


def _panel(of: Exploration, members: Mapping[str, Sequence[Compared]], unit: str, good_direction: str) -> Panel:
    metric = Metric(
        metric="m", label="Measure", description="", unit=unit, kind="sum", numerator=None, denominator=None,
        dimensions=["total", "service"], good_direction=good_direction, final_after_days=0, is_watched=True,
    )  # fmt: skip
    series = [Series(member=name, member_label=name, figures=_figures(of, values)) for name, values in members.items()]
    first = series[0].figures[0].period_start if series else AS_OF
    found = Figures(
        as_of=AS_OF, currency="EUR", dimension=of.by, grain=of.grain, first=first, last=AS_OF,
        items=[MetricFigures(metric=metric, series=series)],
    )  # fmt: skip
    return Panel(of, found)


def _figures(of: Exploration, values: Sequence[Compared]) -> list[Figure]:
    length = 7 if of.grain == "week" else 1
    last = AS_OF - timedelta(days=AS_OF.weekday() if of.grain == "week" else 0)
    return [
        Figure(
            period_start=(start := last - timedelta(days=length * (len(values) - 1 - place))),
            period_end=(end := start + timedelta(days=length - 1)),
            is_partial=end > AS_OF, value=value, compared=dict.fromkeys(of.compare, base),
        )
        for place, (value, base) in enumerate(values)
    ]  # fmt: skip
