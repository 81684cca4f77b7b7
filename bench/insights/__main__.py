"""Insights of the Hub, measured on made businesses whose incidents are known.

    python -m bench.insights [--quick] [--seeds 5] [--kinds studio,clinic,hotel,field service] [--slots 8] [--days 5]
        [--quiet-weeks 2] [--output FOLDER]
    python -m bench.insights --judge FOLDER      judge the kept runs of an earlier measurement again
    python -m bench.insights --sample --seeds 20      the planted incidents of the sample business, by 2nd and 4th day

Each seed makes one business of each kind, with up to eight incidents, five weeks apart. All businesses are in one Hub,
which gets the rows of each day when that day is over, and runs on the days around the incidents and in quiet weeks.
"""

import argparse
import json
import warnings
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console

from bench.insights import hub, incidents, judging, loading, report, sample
from bench.insights.businesses import KINDS, Kind
from bench.insights.incidents import DAY
from bench.insights.judging import Course
from bench.insights.simulation import Business, build, draw
from bench.insights.truth import EPOCH, as_day, daily, truths
from sources import database

LAST_DAY: Final = date(2026, 11, 1)  # of what happens; the last run is at least FORECAST_DAYS before it
HISTORY_DAYS: Final = 470
SLOTS: Final = 8
SLOT_DAYS: Final = 35
WEEKDAYS: Final = (0, 1, -1, 2, 0, 1, 3, -1)  # of the first days, from a Tuesday: not all begin alike
LAST_SLOT: Final = date(2026, 9, 22)
QUIET_AFTER: Final = 26  # days after the first day of a slot, when most incidents are over
QUIET_SLOTS: Final = (2, 5)  # after which a quiet week is run
QUICK: Final = {"seeds": 1, "slots": 3, "days": 2, "quiet_weeks": 0}


def main() -> None:
    """Measure, print, and write the tables, the plot, and each incident and false insight."""
    arguments = _arguments()
    warnings.simplefilter("ignore")
    console = Console(width=180, record=True, highlight=False)
    arguments.output.mkdir(parents=True, exist_ok=True)
    if arguments.sample:
        seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
        sample.measure(console, seeds, arguments.output)
        return
    if arguments.judge:
        kept = json.loads((arguments.judge / "runs.json").read_text())
    else:
        kept = _run(console, arguments)
        (arguments.output / "runs.json").write_text(json.dumps(kept, default=str))
    report.write(console, *_judge(kept), kept, arguments.output)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--quick", action="store_true", help="one business of each kind, three incidents, two days each"
    )
    parser.add_argument("--seeds", type=int, default=5, help="businesses of each kind")
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--kinds", type=lambda text: text.split(","), default=list(KINDS))
    parser.add_argument("--slots", type=int, default=SLOTS, help="incidents of each business")
    parser.add_argument("--days", type=int, default=5, help="days run of each incident")
    parser.add_argument("--quiet-weeks", type=int, default=2)
    parser.add_argument("--judge", type=Path)
    parser.add_argument("--sample", action="store_true")
    parser.add_argument("--output", type=Path, default=Path("bench-results/insights"))
    arguments = parser.parse_args()
    if arguments.quick:
        vars(arguments).update(QUICK)
    return arguments


def _starts(slots: int) -> list[int]:
    """Return the first days of the incidents, as days since 1970-01-01."""
    last = (LAST_SLOT - EPOCH).days
    return [last - SLOT_DAYS * (SLOTS - 1 - slot) + WEEKDAYS[slot] for slot in range(SLOTS - slots, SLOTS)]


def _business(kind: Kind, seed: int, slots: int) -> Business:
    """Return a business with its incidents in an order of its own."""
    random = np.random.default_rng([seed, *kind.name.encode()])
    sorts = [kind.incidents[place] for place in random.permutation(len(kind.incidents))[:SLOTS]]
    last = (LAST_DAY - EPOCH).days
    planned = incidents.plan(kind, sorts[SLOTS - slots :], _starts(slots))
    slug = f"{kind.name.replace(' ', '-')}-{seed}"
    return draw(kind, slug, seed, last - HISTORY_DAYS, last, planned)


def _businesses(settings: dict[str, Any]) -> list[Business]:
    seeds = range(settings["first_seed"], settings["first_seed"] + settings["seeds"])
    return [_business(KINDS[name], seed, settings["slots"]) for name in settings["kinds"] for seed in seeds]


def _run_days(settings: dict[str, Any]) -> dict[int, bool]:
    """Return the days to run: True for those that are measured, False for the day before each stretch of them."""
    measured: set[int] = set()
    starts = _starts(settings["slots"])
    for start in starts:
        measured.update(range(start, start + settings["days"]))
    for slot in QUIET_SLOTS[: settings["quiet_weeks"]]:
        if slot < len(starts):
            measured.update(range(starts[slot] + QUIET_AFTER, starts[slot] + QUIET_AFTER + 7))
    warming = {day - 1 for day in measured} - measured
    return {day: day in measured for day in sorted(measured | warming)}


def _run(console: Console, arguments: argparse.Namespace) -> dict[str, Any]:
    """Run all days; return what was told on each, with the settings that make the same businesses again."""
    settings = {
        name: vars(arguments)[name] for name in ("first_seed", "seeds", "kinds", "slots", "days", "quiet_weeks")
    }
    businesses = _businesses(settings)
    worlds = [build(business, business.incidents) for business in businesses]
    days = _run_days(settings)
    told: list[dict[str, Any]] = []
    since, known = loading.BEGINNING, set[str]()
    with hub.made_hub() as hub_settings, console.status("Running ...") as status:
        try:
            for place, day in enumerate(days):
                status.update(f"{as_day(day)}, day {place + 1} of {len(days)} ...")
                with database.connect(database.database_url(hub_settings)) as connection:
                    for number, (business, world) in enumerate(zip(businesses, worlds, strict=True)):
                        loading.load(connection, number, business, world, since, (day + 1) * DAY)
                        if since == loading.BEGINNING:
                            hub.add_owner(connection, loading.organization_id(number), business.slug)
                since = (day + 1) * DAY
                outcome = hub.run(hub_settings, as_day(day), known)
                told.append(asdict(outcome))
                console.print(f"{as_day(day)}: {sum(outcome.seconds.values()):.0f} s", style="dim")
                for name, failure in outcome.failures.items():
                    console.print(f"{as_day(day)} {name}: {failure[:300]}", style="red", markup=False)
        except KeyboardInterrupt:
            console.print(f"Stopped after {len(told)} of {len(days)} days, which are judged now.")
        return {
            "settings": settings,
            "told": told,
            "ratios": hub.ratios(hub_settings),
            "figures": hub.figures(hub_settings),
        }


def _judge(kept: dict[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[Course]]:
    settings, planned = kept["settings"], _run_days(kept["settings"])
    days = {day: planned[day] for day in (_number(told["day"]) for told in kept["told"])}
    ratios = {name: (parts[0], parts[1]) for name, parts in kept["ratios"].items()}
    rows, others, courses = [], [], []
    for number, business in enumerate(_businesses(settings)):
        world, effects, found = truths(business)
        org_id = str(loading.organization_id(number))
        course = Course(number, found, daily(business, world), effects, is_measured=days)
        for told in kept["told"]:
            day = _number(told["day"])
            course.open[day] = [event for event in told["events"] if event["org_id"] == org_id]
            course.messages[day] = sum(message["org_id"] == org_id for message in told["messages"])
        own = [
            {**row, "day": date.fromisoformat(str(row["day"]))} for row in kept["figures"] if row["org_id"] == org_id
        ]
        flags = judging.z_score(own, business.first, business.last)
        judged, false = judging.judge(course, ratios, flags)
        rows += judged
        others += false
        courses.append(course)
    return rows, others, courses


def _number(day: date | str) -> int:
    return (date.fromisoformat(str(day)) - EPOCH).days


if __name__ == "__main__":
    main()
