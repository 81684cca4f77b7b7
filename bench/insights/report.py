"""Tables and plot of the measured insights, and each incident and false insight as JSON lines."""

import json
from pathlib import Path
from typing import Any, Final

import matplotlib
import pandas as pd
from rich.console import Console
from rich.table import Table

from bench.insights.judging import Course

matplotlib.use("Agg")
from matplotlib import pyplot as plt

OURS, PEERS = "#0b6e4f", "#b8c4c2"
WEEK: Final = 7


def write(
    console: Console, rows: list[dict[str, Any]], others: list[dict[str, Any]], courses: list[Course],
    kept: dict[str, Any], folder: Path,
) -> None:  # fmt: skip
    """Print the tables, and write insights.txt, insights.png, incidents.jsonl and false.jsonl to `folder`."""
    incidents = pd.DataFrame(rows)
    tables = {"kind of incident": "sort", "kind of business": "kind"}
    for title, column in tables.items():
        console.print(_table(title, incidents, column))
    businesses = _businesses(others, courses)
    console.print(_business_table(businesses))
    seconds = [sum(told["seconds"].values()) for told in kept["told"]]
    console.print(
        f"{len(courses)} businesses, {len(seconds)} runs, {sum(seconds) / len(seconds):.0f} s a run in the mean."
    )
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in (("incidents", rows), ("false", others)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(line, default=str) + "\n" for line in lines))
    (folder / "insights.txt").write_text(console.export_text())
    _draw(incidents, businesses, folder / "insights.png")
    console.print(f"Written: {folder}")


def told_by(incidents: pd.DataFrame, day: int, column: str = "told_on") -> pd.Series:
    """Return whether each incident that was run for so many days was told by the day."""
    run = incidents[(incidents["days"] >= day)]
    return run[column].le(day) & run[column].notna()


def _share(values: pd.Series) -> str:
    known = values.dropna().astype(float)
    return f"{known.mean():.2f}" if len(known) else "-"


def _table(title: str, incidents: pd.DataFrame, column: str) -> Table:
    table = Table(
        title=f"Incidents by {title}: shares of those whose effect on a day is large enough", title_justify="left"
    )
    heads = ("run", "large", "told by 2nd", "by 4th", "delay", "root", "driver", "money", "by weekdays", "z: by 2nd",
             "by 4th", "root", "smaller ones told")  # fmt: skip
    table.add_column(title)
    for head in heads:
        table.add_column(head, justify="right")
    groups = [(str(name), group) for name, group in incidents.groupby(column)]
    for name, group in [*groups, ("all", incidents)]:
        large, small = group[group["is_eligible"]], group[~group["is_eligible"]]
        told = large[large["told_on"].notna()]
        parts = {
            part: told[part] if part in told else pd.Series(dtype=float)
            for part in ("root", "driver", "money_right", "peer_money_right")
        }
        table.add_row(
            name, str(len(group)), str(len(large)), _share(told_by(large, 2)), _share(told_by(large, 4)),
            f"{told['told_on'].clip(lower=1).mean() - 1:.1f}" if len(told) else "-",
            *(_share(values) for values in parts.values()),
            _share(told_by(large, 2, "z_told_on")), _share(told_by(large, 4, "z_told_on")),
            _share(large.loc[large["z_told_on"].notna(), "z_root"]), _share(small["told_on"].notna()),
            style="bold" if name == "all" else None,
        )  # fmt: skip
    return table


def _businesses(others: list[dict[str, Any]], courses: list[Course]) -> pd.DataFrame:
    """Return one row for each business: measured weeks, and by week false insights, standing ones and messages."""
    verdicts = pd.DataFrame(others, columns=["business", "verdict"])
    rows = []
    for course in courses:
        business = course.truths[0].business
        days = [day for day, measured in course.is_measured.items() if measured]
        quiet = [
            day for day in days
            if not any(truth.incident.first <= day <= truth.incident.last for truth in course.truths)
        ]  # fmt: skip
        weeks = len(days) / WEEK
        calendar_weeks = (max(days) - min(days) + 1) / WEEK
        counts = verdicts[verdicts["business"] == business.slug]["verdict"].value_counts()
        rows.append(
            {
                "business": business.slug, "kind": business.kind.name, "weeks": weeks,
                **{verdict: counts.get(verdict, 0) / weeks for verdict in ("false", "z-score", "standing")},
                "messages": sum(course.messages[day] for day in days) / weeks,
                "messages in calendar weeks": sum(course.messages[day] for day in days) / calendar_weeks,
                "messages in quiet days": sum(course.messages[day] for day in quiet) / len(quiet) * WEEK
                if quiet else float("nan"),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def _business_table(businesses: pd.DataFrame) -> Table:
    table = Table(title="By organisation and week", title_justify="left")
    columns = ("false", "z-score", "standing", "messages", "messages in calendar weeks", "messages in quiet days")
    heads = (
        "false insights",
        "false of the z-score",
        "standing insights",
        "messages a person",
        "in weeks of the calendar",
        "on days without incident",
    )
    table.add_column("kind of business")
    for head in ("businesses", "weeks each", *heads):
        table.add_column(head, justify="right")
    groups = [(str(name), group) for name, group in businesses.groupby("kind")]
    for name, group in [*groups, ("all", businesses)]:
        means = [f"{group[column].mean():.2f}" for column in columns]
        table.add_row(
            name, str(len(group)), f"{group['weeks'].mean():.1f}", *means, style="bold" if name == "all" else None
        )
    return table


def _draw(incidents: pd.DataFrame, businesses: pd.DataFrame, path: Path) -> None:
    """Draw what was told by the second day by kind of incident, and false insights by kind of business."""
    large = incidents[incidents["is_eligible"]]
    shares = pd.DataFrame(
        {
            "the Hub": told_by(large, 2).groupby(large["sort"]).mean(),
            "z-score": told_by(large, 2, "z_told_on").groupby(large["sort"]).mean(),
        }
    ).sort_index(ascending=False)  # fmt: skip
    false = businesses.groupby("kind")[["false", "z-score"]].mean().rename(columns={"false": "the Hub"})
    figure, (left, right) = plt.subplots(1, 2, figsize=(12.4, 0.4 * len(shares) + 2))
    if len(shares):
        shares.plot.barh(ax=left, color=[OURS, PEERS], width=0.8, legend=False)
    left.set_title("Share told by the second day", fontsize=10, loc="left")
    left.set_xlim(0, 1)
    false.plot.barh(ax=right, color=[OURS, PEERS], width=0.8)
    right.set_title("False insights an organisation and week", fontsize=10, loc="left")
    for axis in (left, right):
        axis.set_ylabel("")
        axis.tick_params(labelsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    right.legend(fontsize=8, frameon=False)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)
