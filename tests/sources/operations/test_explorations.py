"""The state of the explorer: its address and its days."""

from datetime import date
from urllib.parse import parse_qsl

import pytest

from sources.operations.errors import Refusal
from sources.operations.explorations import Exploration, Period, values_of
from sources.operations.figures import FiguresQuery, resolved_days
from sources.row_values import Grain


def test_the_address_holds_the_whole_state() -> None:
    exploration = Exploration(
        metric="booked_revenue", by="service", member=["a&b", "ü c"], grain="month", period="own",
        first=date(2026, 1, 1), last=date(2026, 3, 31), compare=["previous", "target"], view="bar",
    )  # fmt: skip
    assert Exploration.model_validate(values_of(parse_qsl(exploration.address()))) == exploration


def test_empty_and_foreign_values_of_an_address_are_left_out() -> None:
    values = values_of([("metric", "x"), ("from", ""), ("member", ""), ("utm_source", "mail"), ("compare", "target")])
    assert values == {"metric": "x", "compare": ["target"]}


@pytest.mark.parametrize(
    ("period", "first"),
    [
        ("28d", date(2026, 2, 17)),
        ("13w", date(2025, 12, 22)),  # a Monday
        ("this_month", date(2026, 3, 1)),
        ("12m", date(2025, 4, 1)),
        ("24m", date(2024, 4, 1)),
        ("this_year", date(2026, 1, 1)),
    ],
)
def test_a_period_ends_with_the_last_complete_day(period: Period, first: date) -> None:
    as_of = date(2026, 3, 16)
    assert Exploration(period=period).days(as_of) == (first, as_of)


def test_a_period_leads_to_its_finer_ones() -> None:
    month = Exploration(grain="month").within(date(2026, 2, 1), date(2026, 2, 28))
    assert month is not None
    assert (month.grain, month.days(date(2026, 3, 16))) == ("day", (date(2026, 2, 1), date(2026, 2, 28)))
    assert Exploration(grain="day").within(date(2026, 2, 1), date(2026, 2, 1)) is None


@pytest.mark.parametrize(
    ("first", "last", "code"),
    [
        (date(2026, 2, 2), date(2026, 2, 1), "ends_before_start"),
        (date(2024, 1, 1), date(2026, 2, 1), "too_many_periods"),
    ],
)
def test_days_that_cannot_be_shown_are_refused(first: date, last: date, code: str) -> None:
    with pytest.raises(Refusal) as refused:
        resolved_days(FiguresQuery(metrics=["x"], grain="day", first=first, last=last), date(2026, 3, 16))
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("grain", "first"),
    [
        ("day", date(2026, 3, 4)),
        ("week", date(2025, 12, 22)),  # a Monday
        ("month", date(2025, 3, 1)),
        ("quarter", date(2023, 1, 1)),
        ("year", date(2014, 1, 1)),
    ],
)
def test_without_days_there_are_thirteen_periods(grain: Grain, first: date) -> None:
    last = date(2026, 3, 16)
    assert resolved_days(FiguresQuery(metrics=["x"], grain=grain), last) == (first, last)
    assert resolved_days(FiguresQuery(metrics=["x"], grain=grain, last=last), date(2026, 11, 27)) == (first, last)
