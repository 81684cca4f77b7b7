"""The planted incidents of the sample business, each run on its second day, and if untold on its fourth."""

import json
from collections import defaultdict
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from bench.insights import hub
from bench.insights.judging import EARLY_DAYS, Event, claim_of
from bench.insights.truth import as_day
from sources import database
from sources.database import records
from sources.settings import Settings
from sources.simulate import load_sample

AS_OF: Final = date(2026, 10, 31)
TELLING_DAYS: Final = (2, 4)  # of an incident: that by which it should be told, and that for the rest
ROOTS: Final = {
    "price_change": ("booked_revenue",),
    "provider_illness": ("tracked_hours", "bookings_completed", "booked_hours", "realized_revenue"),
    "payment_outage": ("failed_payments",),
    "intake_outage": ("bookings_created",),
    "campaign": ("bookings_created",),
    "tracking_outage": ("tracked_hours",),
    "cancellation_burst": ("bookings_cancelled",),
}
PLANTED: Final = """
    select incidents.org_id::text, organizations.name as organization, incidents.kind, incidents.description,
        incidents.metrics, incidents.dimension, incidents.direction, incidents.starts_on, incidents.ends_on,
        coalesce(services.name, people.full_name, incidents.member) as named
    from app.sample_incidents as incidents
    inner join app.organizations as organizations on organizations.id = incidents.org_id
    left join app.services on services.id::text = incidents.member
    left join app.profiles as people on people.id::text = incidents.member
    order by incidents.starts_on, incidents.org_id, incidents.direction
"""


def measure(console: Console, seeds: Iterable[int], folder: Path) -> None:
    """Load the sample of each seed, run the telling days of each planted incident, and print the shares told."""
    rows: list[dict[str, Any]] = []
    for seed in seeds:
        with hub.made_hub() as settings:
            console.print(f"Seed {seed} ...", style="dim")
            load_sample(settings, seed=seed, as_of=AS_OF)
            rows += [{"seed": seed, **row} for row in _told(settings)]
        (folder / "sample.jsonl").write_text("".join(json.dumps(row, default=str) + "\n" for row in rows))
    table = Table(title="Planted incidents of the sample business", title_justify="left")
    for head in ("incident", "planted", *(f"told by day {day}" for day in TELLING_DAYS), "root", "member"):
        table.add_column(head)
    for kind in [*dict.fromkeys(row["kind"] for row in rows), None]:
        own = [row for row in rows if kind in (None, row["kind"])]
        told = [row for row in own if row["title"]]
        members = [row["names_member"] for row in told if row["names_member"] is not None]
        table.add_row(
            kind or "all", str(len(own)),
            *(f"{sum(row['run_day'] <= day for row in told) / max(1, len(own)):.2f}" for day in TELLING_DAYS),
            f"{sum(row['root'] for row in told) / max(1, len(told)):.2f}",
            f"{sum(members) / len(members):.2f}" if members else "-",
        )  # fmt: skip
    console.print(table)
    (folder / "sample.txt").write_text(console.export_text())


def _told(settings: Settings) -> list[dict[str, Any]]:
    """Run the telling days in the order of time, the later ones of untold incidents; return a row for each incident.

    An incident that ends before such a day is judged on its last one.
    """
    with database.connect(database.database_url(settings)) as connection:
        planted = records(connection, PLANTED)
    incidents: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in planted:
        incidents[row["org_id"], row["kind"]].append(row)
    days: dict[date, dict[tuple[str, str], int]] = defaultdict(dict)
    for key, sides in incidents.items():
        for run_day in TELLING_DAYS:
            days[min(sides[0]["starts_on"] + timedelta(run_day - 1), sides[0]["ends_on"])].setdefault(key, run_day)
    told: dict[tuple[str, str], dict[str, Any]] = {}
    for day in sorted(days):
        open_keys = [key for key in days[day] if not told.get(key, {}).get("title")]
        if not open_keys:
            continue
        outcome = hub.run(settings, day, set())
        ratios = hub.ratios(settings)
        for key in open_keys:
            told[key] = {"run_day": days[day][key], **_judged(incidents[key], outcome.events, ratios)}
    return list(told.values())


def _judged(sides: list[dict[str, Any]], events: list[Event], ratios: dict[str, tuple[str, str]]) -> dict[str, Any]:
    """Return the incident with the first open insight that tells it; root: it is of a metric that names the cause."""
    planted = sides[0]
    for event in events:
        if event["org_id"] != planted["org_id"] or event["kind"] != "anomaly":
            continue
        claim = claim_of(event, ratios)
        metric = ratios.get(claim.metric, (claim.metric, ""))[0]
        direction = "up" if claim.difference > 0 else "down"
        is_recent = as_day(claim.first) >= planted["starts_on"] - timedelta(EARLY_DAYS)
        text = json.dumps(event, default=str, ensure_ascii=False)
        names_member = planted["named"] in text if planted["dimension"] != "total" else None
        for side in sides:
            if metric in side["metrics"] and direction == side["direction"] and is_recent:
                is_about_member = event["dimension"] == "total" or names_member is not False
                if is_about_member:
                    return {
                        "organization": planted["organization"], "kind": planted["kind"], "title": event["title"],
                        "severity": event["severity"], "root": metric in ROOTS[planted["kind"]],
                        "names_member": names_member,
                    }  # fmt: skip
    return {
        "organization": planted["organization"], "kind": planted["kind"], "title": None, "root": False,
        "names_member": None, "open": [event["title"] for event in events if event["org_id"] == planted["org_id"]],
    }  # fmt: skip
