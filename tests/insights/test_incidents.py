"""Incidents: findings of one cause are one, root first; golden texts, which HUB_WRITE_GOLDEN=1 rewrites."""

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from dagster_project.warehouse.variables import VARIABLES
from insights.findings import Finding
from insights.incidents import combined
from insights.narrative import with_texts
from insights.organizations import Organization

DAY = date(2026, 11, 24)
ORGANIZATION = Organization(uuid4(), "Studio", "EUR", DAY, datetime(2026, 11, 25, tzinfo=UTC))
GOLDEN = Path(__file__).parent / "golden" / "incidents"
METRICS = {metric["name"]: metric for metric in VARIABLES["metric_properties"]}
TREE = {name: list(metric["drives"]) for name, metric in METRICS.items()}


def anomaly(metric: str, value: float, expected: float, *, days: int = 1, **changes: Any) -> dict[str, Any]:
    """An anomaly of the total over the last `days`, as the rule returns it; money is worth itself, a booking € 100."""
    declared = METRICS[metric]
    worth = 0 if declared["kind"] == "ratio" else 1 if declared["unit"] == "money" else 100
    worth *= 1 if declared["good_direction"] == "up" else -1
    label = declared["label"]
    return {
        "kind": "anomaly", "metric": metric, "label": label[:1].lower() + label[1:], "unit": declared["unit"],
        "good_direction": declared["good_direction"],
        "kind_of_metric": declared["kind"],
        "numerator": declared.get("numerator"), "denominator": declared.get("denominator"),
        "dimension": "total", "member": "all", "member_name": "all", "day": DAY,
        "started_on": DAY - timedelta(days=days - 1), "length": days, "flagged_days": min(days, 2), "pattern": "spike",
        "direction": "up" if value > expected else "down", "value": value, "expected": expected, "lower": None,
        "upper": None, "severity": "high", "impact": (value - expected) * worth or None,
        "share": abs(value - expected) * abs(worth) / 1000, "drivers": [], "opens": True, "bookings": frozenset(),
        **changes,
    }  # fmt: skip


def of_service(member: str = "s1", name: str = "Massage") -> dict[str, Any]:
    return {"dimension": "service", "member": member, "member_name": name}


def of_provider(member: str = "p1", name: str = "Ana Silva") -> dict[str, Any]:
    return {"dimension": "provider", "member": member, "member_name": name}


def forecast(value: float, previous: float, **changes: Any) -> dict[str, Any]:
    return {
        "kind": "forecast", "metric": "realized_revenue", "label": "realized revenue", "unit": "money",
        "good_direction": "up", "dimension": "total", "member": "all", "member_name": "all", "day": DAY,
        "started_on": DAY, "horizon": 28, "value": value, "previous": previous, "expected": previous,
        "lower": 0.9 * value, "upper": 1.1 * value, "severity": "medium",
        "direction": "up" if value > previous else "down", "impact": value - previous, "overloading": False,
        "drivers": [], **changes,
    }  # fmt: skip


def workload() -> dict[str, Any]:
    return {
        "kind": "workload", "metric": "booked_hours", "label": "workload", "unit": "hours", "good_direction": "down",
        "dimension": "total", "member": "all", "member_name": "all", "day": DAY, "started_on": DAY, "value": 412.0,
        "expected": 390.0, "lower": None, "upper": None, "impact": None, "beyond": 61.5, "usual_beyond": 20.0,
        "providers": 3, "moves": 5, "moved_hours": 8.5,
        "first_day": DAY, "horizon": 7, "severity": "medium", "direction": "up", "drivers": [],
    }  # fmt: skip


def action(text: str, impact: float | None) -> dict[str, Any]:
    return {"text": text, "link": None, "impact": impact}


def driver(name: str, value: float, expected: float, dimension: str = "service") -> dict[str, Any]:
    return {
        "dimension": dimension, "member": name, "member_name": name, "value": value, "expected": expected,
        "contribution": value - expected,
    }  # fmt: skip


def roots(*findings: Finding) -> list[tuple[str, str, list[str]]]:
    """Metric, member and effects of the incidents that open an event."""
    return [
        (found["metric"], found["member"], [effect["metric"] for effect in found.get("effects", [])])
        for found in combined(ORGANIZATION, findings, TREE)
        if found.get("opens", True)
    ]


def test_the_most_upstream_metric_is_the_root() -> None:
    found = roots(
        anomaly("collected_revenue", 200, 4000), anomaly("failed_payments", 30, 1), anomaly("bookings_created", 30, 12)
    )
    assert sorted(found) == [("bookings_created", "all", []), ("failed_payments", "all", ["collected_revenue"])]


def test_good_news_is_no_effect_of_bad_news() -> None:
    found = roots(anomaly("failed_payments", 30, 1), anomaly("collected_revenue", 9000, 4000))
    assert {root for root, _, effects in found if not effects} == {"failed_payments", "collected_revenue"}


def test_what_began_before_is_no_effect() -> None:
    found = roots(anomaly("bookings_cancelled", 40, 3), anomaly("revenue_on_hand", 5000, 9000, days=9))
    assert len(found) == 2
    assert len(roots(anomaly("bookings_cancelled", 40, 3), anomaly("revenue_on_hand", 5000, 9000, days=3))) == 1


def test_a_small_cause_does_not_explain_a_large_fall() -> None:
    found = roots(anomaly("bookings_cancelled", 8, 3, **of_provider()), anomaly("realized_revenue", 1000, 9000))
    assert {root for root, _, _ in found} == {"bookings_cancelled", "realized_revenue"}


def absent(**changes: Any) -> dict[str, Any]:
    """An absence of two days, of whose bookings ten were called off or moved."""
    known = {"ends_on": None, "called_off": 4, "moved": 6, "amount": 1100.0, "waiting": 0, "coming": 3}
    return anomaly(
        "booked_hours", 0, 12, days=2, impact=-400, **of_provider(), pattern="dropout", absence={**known, **changes}
    )


def test_an_absence_is_the_root_of_what_was_called_off_by_it() -> None:
    of_ana, of_ben = of_provider(), of_provider("p2", "Ben Hill")
    cancelled = anomaly("bookings_cancelled", 12, 1, days=2)
    assert roots(cancelled, absent()) == [("booked_hours", "p1", ["bookings_cancelled"])]
    assert len(roots(cancelled, absent(amount=500.0))) == 2
    assert len(roots(anomaly("bookings_cancelled", 12, 1, days=2, **of_ana), absent(amount=0.0))) == 1
    assert len(roots(anomaly("bookings_cancelled", 12, 1, days=2, **of_ben), absent())) == 2
    assert len(roots(anomaly("bookings_created", 12, 40, days=2), absent())) == 2


def test_two_absences_are_two_incidents() -> None:
    assert len(roots(absent(), {**absent(), **of_provider("p2", "Ben Hill")})) == 2


def test_the_money_of_an_absence_is_that_of_its_bookings() -> None:
    work = anomaly("realized_revenue", 0, 2300, days=2, **of_provider())
    (found,) = combined(ORGANIZATION, [absent(), work], TREE)
    assert found["impact"] == -400


def test_a_part_that_fell_by_a_third_does_not_explain_that_nothing_is_left() -> None:
    hours = anomaly("tracked_hours", 0, 120, pattern="dropout")
    assert len(roots(anomaly("revenue_on_hand", 44000, 65000, **of_service()), hours)) == 2
    assert len(roots(anomaly("booked_hours", 30, 120), hours)) == 2
    assert len(roots(anomaly("booked_hours", 0, 120), hours)) == 1
    assert len(roots(anomaly("booked_hours", 30, 120), anomaly("tracked_hours", 2, 120))) == 1


def test_revenue_on_hand_that_rises_while_no_work_is_done_was_postponed() -> None:
    on_hand = anomaly("revenue_on_hand", 53000, 37000, days=2)
    stopped = anomaly("booked_hours", 0, 104, days=2)
    assert roots(stopped, on_hand) == [("booked_hours", "all", ["revenue_on_hand"])]
    assert len(roots(anomaly("booked_hours", 60, 104, days=2), on_hand)) == 2


def test_repeated_invoices_are_an_incident_of_their_own() -> None:
    done = anomaly("bookings_completed", 40, 25)
    invoiced = anomaly("invoiced_revenue", 3000, 1500, good_direction="up")
    assert len(roots(done, invoiced)) == 1
    assert len(roots(done, {**invoiced, "repeated": 9, "invoices": 18})) == 2


def test_the_total_covers_its_members() -> None:
    found = roots(anomaly("bookings_created", 4, 30, **of_service()), anomaly("bookings_created", 90, 120))
    assert found == [("bookings_created", "all", [])]


def test_a_member_is_the_root_of_the_total_that_it_moves() -> None:
    found = roots(anomaly("bookings_created", 4, 30, **of_service()), anomaly("booked_revenue", 8000, 11000))
    assert found == [("bookings_created", "s1", ["booked_revenue"])]
    found = roots(anomaly("bookings_created", 24, 30, **of_service()), anomaly("booked_revenue", 2000, 11000))
    assert len(found) == 2


def test_members_of_one_dimension_are_incidents_of_their_own() -> None:
    both = [anomaly("bookings_created", 4, 30, **of_service(member)) for member in ("s1", "s2")]
    assert len(roots(*both)) == 2


def test_members_of_two_dimensions_are_one_if_they_share_bookings() -> None:
    shared, other = frozenset(range(20)), frozenset(range(100, 120))
    service = anomaly("bookings_created", 30, 4, **of_service(), bookings=shared)
    assert len(roots(service, anomaly("bookings_created", 28, 4, **of_provider(), bookings=shared))) == 1
    assert len(roots(service, anomaly("bookings_created", 28, 4, **of_provider(), bookings=other))) == 2


def test_a_weekday_is_the_effect_of_the_member_that_books_it() -> None:
    same = frozenset(range(20))
    weekday = anomaly("bookings_created", 22, 4, dimension="service_weekday", member="2", bookings=same)
    group = anomaly("bookings_created", 20, 4, dimension="client_group", member="Groups", bookings=same)
    assert roots(weekday, group) == [("bookings_created", "Groups", [])]


def test_a_ratio_keeps_its_own_money() -> None:
    ratio = anomaly("no_show_rate", 0.5, 0.1, impact=-2400, share=2.4)
    (found,) = combined(ORGANIZATION, [ratio, anomaly("realized_revenue", 3000, 6600)], TREE)
    assert (found["metric"], found["impact"]) == ("no_show_rate", -2400)


def test_a_minor_upstream_finding_leads_and_the_relevant_one_opens() -> None:
    found = roots(
        anomaly("failed_payments", 9, 1, opens=False, severity="low"), anomaly("collected_revenue", 2000, 4000)
    )
    assert found == [("failed_payments", "all", ["collected_revenue"])]
    assert roots(anomaly("failed_payments", 9, 1, opens=False)) == []


def test_the_money_of_a_count_is_that_of_its_amounts() -> None:
    (found,) = combined(
        ORGANIZATION,
        [anomaly("bookings_created", 94, 240, days=5), anomaly("booked_revenue", 9000, 26000, days=5)],
        TREE,
    )
    assert found["impact"] == -17000


def test_a_forecast_is_an_effect_of_what_explains_it() -> None:
    assert roots(forecast(20000, 26000), anomaly("bookings_cancelled", 54, 6)) == [
        ("bookings_cancelled", "all", ["realized_revenue"])
    ]
    assert len(roots(forecast(20000, 90000), anomaly("bookings_cancelled", 54, 6))) == 2
    assert len(roots(forecast(30000, 26000), anomaly("bookings_cancelled", 54, 6))) == 2


def test_advice_does_not_contradict_itself() -> None:
    texts = with_texts(ORGANIZATION, combined(ORGANIZATION, [forecast(20000, 90000), workload()], TREE))
    advice = " ".join(found["recommendation"] for found in texts)
    assert "Ask the clients of 5 bookings (8.5 h) for another provider or day" in advice
    assert "Fill the free days" not in advice
    (alone,) = with_texts(ORGANIZATION, combined(ORGANIZATION, [forecast(20000, 90000)], TREE))
    assert "Fill the free days" in alone["recommendation"]


CAMPAIGN = "In the calendar: campaign “Winter offer”, from Friday, 20 November 2026 to Sunday, 29 November 2026."
HOLIDAY = "Wednesday, 25 November 2026 is a public holiday (Day of the Republic)."
PRICE = "The usual amount of a booking of Massage changed from €80.00 to €128 since Tuesday, 10 November 2026."
INCIDENTS: dict[str, list[dict[str, Any]]] = {
    "campaign": [
        anomaly("bookings_created", 215, 96, days=5, spread_over=["service", "provider", "channel"],
                facts=[CAMPAIGN]),
        anomaly("booked_revenue", 21800, 9700, days=5), anomaly("revenue_on_hand", 61000, 52000, days=4),
        forecast(74000, 62000), workload(),
    ],
    "burst_of_cancellations": [
        anomaly("bookings_cancelled", 54, 5.6, days=2, severity="critical", spread_over=["service", "provider"],
                actions=[action("Call Ann Bell: Massage on Monday, 30 November 2026 was called off", 320)]),
        anomaly("revenue_on_hand", 21000, 26500, days=2), forecast(55600, 61000, severity="high"), workload(),
    ],
    "broken_form": [
        anomaly("bookings_created", 3, 51, days=4, **of_service(), pattern="level_shift",
                drivers=[driver("web", 0, 47, "channel")],
                actions=[action("Try to book Massage on the page of the service", None)]),
        anomaly("booked_revenue", 300, 5100, days=4, **of_service()),
        anomaly("bookings_created", 14, 31, days=4, **of_provider(), opens=False),
    ],
    "illness": [
        anomaly("tracked_hours", 0, 34, days=5, impact=-2900, **of_provider(), pattern="dropout",
                absence={"ends_on": DAY + timedelta(days=3), "called_off": 2, "moved": 1, "amount": 240.0, "waiting": 9,
                         "coming": 4},
                actions=[action("Move Massage of Cy Shaw to Ben Hill, who has 6 h free", 80)]),
        anomaly("bookings_completed", 1, 12, days=5, **of_provider()),
        anomaly("bookings_cancelled", 3, 0.2, days=5, **of_provider()),
    ],
    "illness_that_is_not_entered": [absent(), anomaly("bookings_cancelled", 4, 0.1, days=2, **of_provider())],
    "price_rise": [
        anomaly("average_booking_value", 126, 98, days=15, pattern="level_shift", impact=8400.0, share=2.1,
                drivers=[driver("Massage", 14200, 8900)], split={"rate": 26.5, "mix": 1.5}, facts=[PRICE]),
        anomaly("booked_revenue", 37900, 29600, days=15, pattern="level_shift"),
    ],
    "payment_outage": [
        anomaly("failed_payments", 46, 1.8, days=2,
                actions=[action("Ask Lund Ltd to pay invoice 2026-118 again", 940.0)]),
        anomaly("collected_revenue", 310, 6400, days=2, severity="critical"),
    ],
    "tracker_outage": [
        anomaly("tracked_hours", 0, 148, days=3, pattern="dropout", spread_over=["provider"]),
        anomaly("tracked_hours", 0, 31, days=3, **of_provider()),
    ],
    "slow_fall": [
        anomaly("bookings_created", 121, 190, days=14, pattern="trend_break", spread_over=["service", "channel"]),
        anomaly("booked_revenue", 12400, 18900, days=12, pattern="trend_break"), forecast(48000, 61000),
    ],
    "closed_day": [
        anomaly("realized_revenue", 0, 2300, lower=1100, upper=3600, pattern="dropout"),
        anomaly("booked_hours", 0, 41, pattern="dropout", facts=[HOLIDAY], spread_over=["service", "provider"]),
        anomaly("tracked_hours", 0, 44, pattern="dropout"),
        anomaly("bookings_completed", 0, 23, pattern="dropout"),
    ],
    "group_booking": [
        anomaly("bookings_created", 61, 24, lower=14, upper=37,
                drivers=[driver("Groups", 39, 1.2, "client_group")]),
        anomaly("booked_revenue", 6150, 2400),
        anomaly("bookings_created", 39, 1.2, dimension="client_group", member="Groups", member_name="Groups"),
    ],
    "invoices_issued_twice": [
        anomaly("invoiced_revenue", 8120.5, 4060.25, days=2, repeated=40, invoices=80, actions=[
            action("Void invoice 2026-171 of Lund Ltd, if it is only invoice 2026-131 again", 940.0)]),
    ],
    "no_show_wave": [
        anomaly("no_show_rate", 0.42, 0.06, days=3, impact=-2100.0, share=1.2, spread_over=["service"],
                actions=[action("Call Kim Oh: Colour on Monday, 23 November 2026 was missed", 120.5)]),
        anomaly("bookings_cancelled", 33, 12, days=3), anomaly("realized_revenue", 3900, 6100, days=3),
    ],
    "forecast_falls_by_book": [
        anomaly("revenue_on_hand", 17800, 26500, days=6, pattern="level_shift",
                drivers=[driver("Massage", 3100, 10400)]),
        forecast(43500, 61000),
    ],
}  # fmt: skip


def text_of(findings: list[dict[str, Any]]) -> str:
    """All that a reader gets of the incidents that open, in the order of a message."""
    blocks = []
    for found in with_texts(ORGANIZATION, combined(ORGANIZATION, findings, TREE)):
        if found.get("opens", True):
            effects = [effect["sentence"] for effect in found["effects"]]
            actions = [action["text"] for action in found["actions"]]
            parts = [f"[{found['severity']}] {found['title']}", found["summary"], *effects, *found["facts"]]
            blocks.append("\n".join([*parts, found["recommendation"], *actions]))
    return "\n\n".join(blocks) + "\n"


@pytest.mark.parametrize("name", INCIDENTS)
def test_text_of_an_incident_is_as_in_the_golden_file(name: str) -> None:
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("HUB_WRITE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text_of(INCIDENTS[name]), encoding="utf-8")
    assert text_of(INCIDENTS[name]) == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", INCIDENTS)
def test_an_incident_is_told_once(name: str) -> None:
    told = [found for found in combined(ORGANIZATION, INCIDENTS[name], TREE) if found.get("opens", True)]
    assert [found["kind"] for found in told if found["kind"] != "workload"] == ["anomaly"]
