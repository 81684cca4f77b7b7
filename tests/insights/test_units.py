"""A metric in days, such as an average lead time, is told in days."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

from insights.narrative import with_texts
from insights.organizations import Organization

DAY = date(2026, 11, 24)
ORGANIZATION = Organization(uuid4(), "Studio", "EUR", DAY, datetime(2026, 11, 25, tzinfo=UTC))
ANOMALY: dict[str, Any] = {
    "kind": "anomaly", "metric": "average_lead_time", "label": "average lead time", "unit": "days",
    "good_direction": "up", "kind_of_metric": "ratio", "numerator": "average_lead_time_sum",
    "denominator": "average_lead_time_count", "dimension": "total", "member": "all", "member_name": "all", "day": DAY,
    "started_on": DAY - timedelta(days=3), "length": 4, "pattern": "shift", "direction": "down", "value": 6.25,
    "expected": 14.0, "lower": 11.0, "upper": 17.0, "severity": "high", "impact": None, "share": 0.1, "drivers": [],
    "split": {"rate": -7.75, "mix": 0.0}, "effects": [], "facts": [], "actions": [],
}  # fmt: skip


def test_an_anomaly_of_an_average_in_days_is_told_in_days() -> None:
    [told] = with_texts(ORGANIZATION, [ANOMALY])
    assert told["title"] == "Average lead time: 6.2 days since 21 Nov, 56% less than expected"
    assert "came to 6.2 days, 7.8 days (56%) less than the 14 days expected" in told["summary"]
    assert "The usual range for such a day is 11 days to 17 days." in told["summary"]
