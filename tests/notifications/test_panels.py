"""Words, shades and SQL of an exploration, on figures made by hand."""

from decimal import Decimal

import pytest

from sources.operations.figures import Comparison
from tests.notifications.made_panels import panel


@pytest.mark.parametrize(
    ("value", "base", "unit", "compare", "good", "words", "tone"),
    [
        (1200, 1000, "money", "previous", "up", "20% more than the first 3 days of the week before (€1,000)", "good"),
        (1200, 1000, "money", "previous", "down", "20% more than the first 3 days of the week before (€1,000)", "bad"),
        (1200, 2000, "money", "target", "up", "40% less than the target (€2,000)", ""),  # of a whole week
        (1200, None, "money", "target", "up", "no target is set", ""),
        (1200, None, "money", "year_ago", "up", "the same weekdays last year: not known", ""),
        (None, 5, "count", "year_ago", "up", "the same weekdays last year: not known", ""),
        (3, 2, "count", "year_ago", "up", "the same weekdays last year: 2", ""),  # too few for a percentage
        ("0.55", "0.5", "share", "year_ago", "up", "5 points more than the same weekdays last year (50%)", "good"),
        ("0.552", "0.553", "share", "year_ago", "up", "0.1 points less than the same weekdays last year (55.3%)", ""),
    ],
)
def test_a_comparison_is_told_in_words(
    value: str | None, base: str | None, unit: str, compare: Comparison, good: str, words: str, tone: str
) -> None:
    figures = [(None if value is None else Decimal(value), None if base is None else Decimal(base))]
    shown = panel(figures, unit=unit, compare=compare, good_direction=good)
    assert shown.told(shown.periods[-1]) == [(words, tone)]


def test_days_are_mapped_by_week_and_weekday_and_shaded_by_the_largest() -> None:
    shown = panel([(Decimal(value), None) for value in (0, 50, 100)], grain="day", view="heat")
    heat_map = shown.heat_map
    assert heat_map.columns[:3] == ["Mon", "Tue", "Wed"]
    assert [(name, [cell and cell.value for cell in cells[:4]]) for name, cells in heat_map.rows] == [
        ("4 May", [0, 50, 100, None])
    ]
    assert [shown.shade(figure.value) for figure in shown.periods] == ["h0", "h4", "h7"]
    assert shown.shade(None) == "h0"


def test_names_in_the_sql_are_quoted() -> None:
    shown = panel([(Decimal(1), None)], by="service", member=["d'accord"])
    assert "member in ('d''accord')" in shown.sql
    assert "select period_start, is_partial, member, value, previous\n" in shown.sql
