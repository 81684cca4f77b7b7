"""The text of insights: golden files for each kind, sign and size; HUB_WRITE_GOLDEN=1 rewrites them: read the diff."""

import os
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insights.narrative import DESCRIBERS, phrases, with_texts
from insights.narrative.anomaly import RECOMMENDATIONS
from insights.organizations import Organization

DAY = date(2025, 6, 30)
ORGANIZATION = Organization(uuid4(), "Northwind Studio", "EUR", DAY, datetime(2025, 7, 1, tzinfo=UTC))
GOLDEN = Path(__file__).parent / "golden"
MONEY = {"metric": "booked_revenue", "label": "booked revenue", "unit": "money", "currency": "EUR"}
COUNT = {"metric": "bookings_created", "label": "bookings created", "unit": "count", "currency": None}
HOURS = {"metric": "tracked_hours", "label": "tracked hours", "unit": "hours", "currency": None}
ANOMALY: dict[str, Any] = {
    "kind": "anomaly",
    "dimension": "total",
    "member_name": None,
    "organization": "Northwind Studio",
    "day": DAY,
    "severity": "high",
    "direction": "down",
    "good_direction": "up",
    "drivers": [],
}
FORECAST = {**ANOMALY, "kind": "forecast", "horizon": 28, "direction": None, "severity": "low"}


def figures(value: float, expected: float | None, lower: float, upper: float) -> dict[str, Any]:
    return {"value": value, "expected": expected, "lower": lower, "upper": upper}


def driver(name: str, value: float, expected: float) -> dict[str, Any]:
    contribution = value - expected
    return {
        "member_name": name, "dimension": "service", "value": value, "expected": expected,
        "contribution": contribution,
    }  # fmt: skip


DRIVERS = [
    driver("Gardening", 900, 800),
    driver("Deep cleaning", 300, 2500),
    driver("Window cleaning", 0, 950.5),
    driver("Painting", 5, 5),
]
CASES: dict[str, dict[str, Any]] = {
    "revenue_down_with_drivers": {**ANOMALY, **MONEY, **figures(1255.5, 4327.5, 3100, 5600), "drivers": DRIVERS},
    "revenue_of_a_service_up": {
        **ANOMALY, **MONEY, **figures(980, 120.25, 0, 410.5), "direction": "up", "dimension": "service",
        "member_name": "Deep cleaning", "currency": "USD",
    },
    "revenue_nothing_came": {**ANOMALY, **MONEY, **figures(0, 4327.5, 3100, 5600), "drivers": DRIVERS[1:2]},
    "revenue_negative": {**ANOMALY, **MONEY, **figures(-1250, 300, -20, 700), "metric": "collected_revenue",
                         "label": "collected revenue"},
    "revenue_huge": {**ANOMALY, **MONEY, **figures(987654321098.4, 1234567, 1e6, 2e6), "direction": "up"},
    "revenue_in_yen": {**ANOMALY, **MONEY, **figures(800, 950, 900, 1100), "currency": "JPY"},
    "revenue_without_currency": {**ANOMALY, **MONEY, **figures(800, 1950, 900, 2100), "currency": None},
    "count_one_fewer": {**ANOMALY, **COUNT, **figures(1, 2, 1.5, 3)},
    "count_where_none_was_expected": {
        **ANOMALY, **figures(7, 0, 0, 0), "metric": "failed_payments", "label": "failed payments", "unit": "count",
        "currency": None, "direction": "up", "good_direction": "down",
    },
    "count_far_more_than_ten_times": {**ANOMALY, **COUNT, **figures(240, 3.2, 0, 9), "direction": "up"},
    "hours_of_a_provider": {
        **ANOMALY, **HOURS, **figures(0.5, 7.75, 5.1, 9.9), "dimension": "provider", "member_name": "Ana Silva",
    },
    "unknown_metric": {
        **ANOMALY, **figures(3, 14.4, 9, 20), "metric": "reviews", "label": "reviews received", "unit": "count",
        "currency": None, "organization": None,
    },
    "revenue_shifted_down": {
        **ANOMALY, **MONEY, **figures(1255.5, 4327.5, 3100, 5600), "pattern": "level_shift", "drivers": DRIVERS[1:2],
    },
    "count_trending_up": {**ANOMALY, **COUNT, **figures(31, 22, 14, 29.5), "direction": "up", "pattern": "trend_break"},
    "revenue_missing": {**ANOMALY, **MONEY, **figures(0, 4327.5, 0, 0), "pattern": "missing"},
    "count_missing_of_a_service": {
        **ANOMALY, **COUNT, **figures(0, 1, 0, 0), "pattern": "missing", "dimension": "service",
        "member_name": "Moving", "organization": None,
    },
    "forecast_up": {**FORECAST, **MONEY, **figures(125000, None, 110500, 141000), "previous": 117000.0},
    "revenue_where_hardly_anything_was_expected": {
        **ANOMALY, **MONEY, **figures(205, 0.08, 0, 3), "direction": "up", "currency": "CAD",
        "drivers": [driver("Moving", 205, 0.08)],
    },
    "forecast_down": {**FORECAST, **MONEY, **figures(90000, None, 80500, 101000), "previous": 117000.0},
    "forecast_down_where_providers_overload": {
        **FORECAST, **MONEY, **figures(90000, None, 80500, 101000), "previous": 117000.0, "overloading": True,
    },
    "forecast_level_one_day": {**FORECAST, **COUNT, **figures(12, None, 8, 16), "previous": 12.0, "horizon": 1},
    "forecast_of_a_service_alone": {
        **FORECAST, **MONEY, **figures(0, None, 0, 0), "dimension": "service", "member_name": "Moving",
        "previous": None,
    },
    "pipeline": {
        "kind": "pipeline", "label": "the check of invoices failed", "organization": "Northwind Studio",
        "day": DAY, "detail": "3 invoices name a booking that does not exist",
    },
}  # fmt: skip


def text_of(case: dict[str, Any]) -> str:
    return "\n\n".join(DESCRIBERS[case["kind"]](case)) + "\n"


@pytest.mark.parametrize("name", CASES)
def test_text_is_as_in_the_golden_file(name: str) -> None:
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("HUB_WRITE_GOLDEN"):
        path.write_text(text_of(CASES[name]), encoding="utf-8")
    assert text_of(CASES[name]) == path.read_text(encoding="utf-8")


def test_there_is_no_golden_file_without_a_case() -> None:
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(CASES)


def test_findings_of_several_kinds_get_the_texts_of_their_kind_and_organisation() -> None:
    cases = [CASES["revenue_shifted_down"], CASES["forecast_down"], CASES["pipeline"]]
    for found, case in zip(with_texts(ORGANIZATION, cases), cases, strict=True):
        assert "\n\n".join(found[part] for part in ("title", "summary", "recommendation")) + "\n" == text_of(case)
        assert (found["effects"], found["facts"], found["actions"]) == ([], [], [])


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match=f"kind 'unknown' is not one of {', '.join(DESCRIBERS)}"):
        with_texts(ORGANIZATION, [{"kind": "unknown"}])


def test_each_metric_has_recommendations_for_both_directions() -> None:
    metrics = {metric for metric, _ in RECOMMENDATIONS}
    assert {(metric, direction) for metric in metrics for direction in ("up", "down")} == set(RECOMMENDATIONS)


NUMBER = st.floats(-1e15, 1e15) | st.integers(-3, 3).map(float)


@settings(max_examples=50, deadline=None)
@given(
    NUMBER,
    NUMBER,
    st.sampled_from([MONEY, COUNT, HOURS]),
    st.sampled_from([ANOMALY, FORECAST]),
    st.sampled_from([None, "spike", "dropout", "level_shift", "trend_break", "missing"]),
)
def test_any_figures_read_well(
    value: float, other: float, unit: dict[str, Any], kind: dict[str, Any], pattern: str | None
) -> None:
    case = {
        **kind,
        **unit,
        "pattern": pattern,
        **figures(value, other, min(value, other), max(value, other)),
        "previous": other,
    }
    text = text_of({**case, "drivers": [driver("Someone", value, other)]})
    for flaw in ("nan", "None", "inf", "-0.00", "  ", "..", " -0 "):
        assert flaw not in text.replace("information", "")


def test_a_driver_of_two_dimensions_reads_as_one_name() -> None:
    assert phrases.driver_name([("service", "Massage"), ("client_group", "Agency")]) == (
        "Massage of the client group Agency"
    )
    assert phrases.driver_name([("channel", "web"), ("service_weekday", "Monday")]) == "the channel web for Mondays"
    assert phrases.driver_name([("channel", "web")]) == "web"


def test_repeated_invoices_are_the_title_and_are_to_be_voided() -> None:
    amounts = {**figures(3500.4, 2000.4, 0, 0), "lower": None, "upper": None, "started_on": date(2025, 6, 29)}
    repeated = {
        **CASES["revenue_huge"], **amounts, "repeated": 15, "invoices": 35, "metric": "invoiced_revenue",
        "label": "invoiced revenue",
    }  # fmt: skip
    (found,) = with_texts(ORGANIZATION, [repeated])
    assert found["title"] == "15 of 35 invoices repeat another one since 29 Jun: €1,500 too much"
    assert "€1,500 (75%) more than the €2,000 expected" in found["summary"]
    assert found["recommendation"].startswith("Void the invoices that were issued twice")


def test_where_no_event_happened_the_title_says_so() -> None:
    nothing = {**CASES["count_missing_of_a_service"], **figures(0, 51, 30, 70), "pattern": "dropout"}
    (found,) = with_texts(ORGANIZATION, [nothing])
    assert found["title"] == "No bookings for Moving were created, where 51 were expected"


def test_a_member_has_no_cause_that_is_common_to_all() -> None:
    spread = {"direction": "down", "drivers": [], "spread_over": ["channel"], "pattern": "level_shift"}
    own = {**CASES["count_missing_of_a_service"], **spread, "metric": "bookings_created"}
    (of_member,) = with_texts(ORGANIZATION, [own])
    assert "Nothing stands out among its channels." in of_member["summary"]
    assert "demand as a whole" not in of_member["summary"]
    (of_all,) = with_texts(ORGANIZATION, [{**own, "dimension": "total"}])
    assert "demand as a whole" in of_all["summary"]
