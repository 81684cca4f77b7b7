"""Rows and messages for several tests."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from notifications.messages import (
    Actions,
    Entry,
    Facts,
    Heading,
    Link,
    Message,
    Plot,
    Step,
    Text,
)

ORG = UUID("01890000-0000-7000-8000-000000000001")
OTHER_ORG = UUID("01890000-0000-7000-8000-000000000002")
INSIGHT = UUID("01890000-0000-7000-8000-0000000000aa")
DAY = date(2026, 5, 4)
NOW = datetime(2026, 5, 5, 7, 0, tzinfo=UTC)

PLOT = Plot(
    title="Booked revenue",
    days=tuple(DAY - timedelta(days=n) for n in range(6, -1, -1)),
    actual=(1.0, 2.0, None, 4.0, 5.0, 6.0, 8.0),
    expected=(1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0),
    lower=(0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0),
    upper=(2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0),
    marked=DAY,
)

INSIGHT_ROW: dict[str, Any] = {
    "id": INSIGHT,
    "org_id": ORG,
    "kind": "anomaly",
    "severity": "critical",
    "metric": "booked_revenue",
    "dimension": "total",
    "member": "all",
    "day": DAY,
    "title": "Booked revenue fell by half",
    "summary": "Booked revenue was €4,200 on Monday, 52 % below the expected €8,750. Deluxe Suite lost €3,100.",
    "value": Decimal("4200.0000"),
    "expected": Decimal("8750.0000"),
    "lower": Decimal("7100.0000"),
    "upper": Decimal("10400.0000"),
    "impact": Decimal("-4550.00"),
    "drivers": [
        {"dimension": "service", "member_name": "Deluxe Suite", "value": 900, "expected": 4000, "contribution": -3100}
    ],
    "started_on": DAY - timedelta(days=1),
    "direction": "down",
    "pattern": "level_shift",
    "effects": [
        {
            "metric": "tracked_hours",
            "label": "tracked hours",
            "dimension": "total",
            "member_name": "",
            "value": 20.0,
            "expected": 41.0,
            "impact": None,
            "sentence": "Tracked hours were 20 h where 41 h were expected.",
        }
    ],
    "facts": ["The price of Deluxe Suite rose by 20% on 3 May 2026."],
    "actions": [
        {"text": "Call Ana Bell about her two open quotes.", "link": "/bookings?client=1", "impact": 1800.0},
        {"text": "Offer the free suite on Friday to past clients.", "impact": None},
    ],
    "worsened_times": 0,
    "worsened_at": None,
    "recommendation": "Look at the Deluxe Suite's price and availability.",
    "dedupe_key": "anomaly:booked_revenue:total:all:2026-05-04",
    "status": "open",
    "first_seen": NOW,
    "last_seen": NOW,
    "resolved_at": None,
    "feedback": None,
}

EVERY_BLOCK = Message(
    id="m1",
    type="insight.opened",
    subject="[Critical] Booked revenue fell by half",
    blocks=(
        Heading("Booked revenue fell by half", tone="critical"),
        Text("It was €4,200 on Monday, 52 % below the expected €8,750. " * 3),
        Facts((("Severity", "Critical"), ("Expected", "€8,750 (€7,100 to €10,400)"))),
        Heading("Why", level=2),
        Entry(
            "Deluxe Suite",
            "€3,100 of it.\nWhat to do: look at its price and availability.",
            tone="high",
            steps=(Step("Look at its price", "http://127.0.0.1:3000/services?a=1&b=2"), Step("Call *Ana* <b>")),
        ),
        PLOT,
        Actions((Link("Open the Hub", "http://127.0.0.1:3000/x?a=1&b=2"),)),
        Text("Acknowledge it when it is done.", muted=True),
    ),
    data={"insight": {"id": INSIGHT, "value": Decimal("4200.00"), "day": DAY}},
)

AWKWARD = Message(
    id="m2",
    type="insight.opened",
    subject="Client <script>alert(1)</script>\r\nBcc: all@example.org",
    blocks=(
        Heading("Client <script>alert(1)</script> & Söhne 🎉 <!channel>"),
        Text("word " * 1500),
        Text("x" * 4000),
        Text(""),
        Facts(()),
        Facts(tuple((f"Label {n} <b>", f"Value {n} & more 🏨") for n in range(12))),
        Entry("*not bold* <@U123>", "&" * 3500),
    ),
)


def insert_insight(connection: psycopg.Connection, **changes: Any) -> UUID:
    """Insert a row of app.insight_events like INSIGHT_ROW with `changes` and return its id, by default a new one."""
    row = {**INSIGHT_ROW, **changes}
    if "id" not in changes:
        row.pop("id")
    row |= {name: Jsonb(row[name]) for name in ("drivers", "effects", "facts", "actions")}
    columns = ", ".join(row)
    values = ", ".join(f"%({name})s" for name in row)
    found = connection.execute(
        f"insert into app.insight_events ({columns}) values ({values}) returning id".encode(), row
    ).fetchone()
    assert found
    insight_id: UUID = found[0]
    return insight_id
