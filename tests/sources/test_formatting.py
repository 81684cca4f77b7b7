"""Formatted figures: one format per unit, and percentages only where they are meaningful."""

import pytest

from sources import formatting
from sources.formatting import against_usual, change, figure, listed, money, rounded


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [
        (1234.56, "EUR", "€1,235"),
        (99.5, "EUR", "€99.50"),
        (99.999, "EUR", "€100"),
        (-12.5, "USD", "-$12.50"),
        (-0.001, "USD", "$0.00"),
        (500, "JPY", "¥500"),
        (12.5, "KWD", "KWD12.500"),
        (1234.5, None, "1,234"),
    ],
)
def test_money_is_shown_in_its_currency(amount: float, currency: str | None, shown: str) -> None:
    assert money(amount, currency).replace("\xa0", " ") == shown


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (7.25, "hours", "7.2 h"),
        (120.4, "hours", "120 h"),
        (1, "days", "1 day"),
        (4.26, "score", "4.3"),
        (1234567, "count", "1,234,567"),
        (7.75, "count", "7.8"),
    ],
)
def test_figures_are_shown_in_their_unit(value: float, unit: str, shown: str) -> None:
    assert figure(value, unit, "EUR") == shown


def test_a_figure_is_shown_as_it_is_rounded() -> None:
    assert [rounded(value, "count") for value in (9.96, 10.4, -0.01)] == [10, 10, 0]


@pytest.mark.parametrize(
    ("value", "usual", "unit", "words"),
    [
        (12, 10, "count", "20% above the usual 10"),
        (5, 7.75, "count", "usually about 8"),
        (3, 0.2, "count", "usually fewer than 1"),
        (3, 0, "count", "usually none"),
        (0, 0, "count", "as usual"),
        (8.02, 8, "count", "as usual"),
        (0, 20, "count", "usually about 20"),
        (204.92, 0.08, "money", "usually about €0.08"),
        (500, 1000, "money", "50% below the usual €1,000"),
        (0, 800, "money", "usually about €800"),
        (1001, 1000, "money", "as usual (€1,000)"),
        (40, 300, "money", "87% below the usual €300"),
        (30000, 300, "money", "usually about €300"),
    ],
)
def test_a_comparison_has_a_percentage_only_where_it_is_meaningful(
    value: float, usual: float, unit: str, words: str
) -> None:
    assert against_usual(value, usual, unit, "EUR") == words


@pytest.mark.parametrize(("currency", "base"), [("EUR", 100), ("JPY", 10_000), ("KWD", 10)])
def test_the_least_base_depends_on_the_decimals_of_the_currency(currency: str, base: float) -> None:
    assert change(base * 1.5, base, "money", currency) == "50%"
    assert change(base * 1.5, base * 0.99, "money", currency) is None


@pytest.mark.parametrize(
    ("locale", "shown"),
    [
        ("en_US", ["€12,346", "-€12.50", "12.5%", "25%", "1,234 bookings", "3.5 days"]),
        ("de_DE", ["12.346\xa0€", "-12,50\xa0€", "12,5\xa0%", "25\xa0%", "1.234 bookings", "3,5 days"]),
        ("en_IN", ["€12,346", "-€12.50", "12.5%", "25%", "1,234 bookings", "3.5 days"]),
        ("fr_FR", ["12\u202f346\xa0€", "-12,50\xa0€", "12,5\xa0%", "25\xa0%", "1\u202f234 bookings", "3,5 days"]),
    ],
)
def test_figures_are_written_as_the_organisation_chooses(locale: str, shown: list[str]) -> None:
    with formatting.in_locale(locale):
        assert [
            formatting.money(12_345.6, "EUR"),
            formatting.money(-12.5, "EUR"),
            formatting.figure(0.125, "share"),
            formatting.percent(0.25),
            formatting.counted(1234, "booking"),
            formatting.figure(3.5, "days"),
        ] == shown
    assert formatting.money(12_345.6, "EUR") == "€12,346"
    assert locale in dict(formatting.locale_choices())


def test_lists_read_as_english() -> None:
    assert [listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])] == ["a", "a and b", "a, b and c"]
