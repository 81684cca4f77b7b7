"""docs/extending.md: each how-to, followed literally in a copy of the project, gives what it promises.

The copy starts as its reader's: with a sample business and one run behind it. All how-tos share it, and the run of
the Hub that each of them asks for; what each touches is recorded apart.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from sources.settings import Settings
from sources.simulate import load_sample
from tests.conftest import TEMPLATE, clone, execute, free_port
from tests.guides.markdown import Commands, Edit, section, steps
from tests.guides.project import ROOT, Project, answers, copied
from tests.guides.shell import running
from tests.notifications.servers import HttpServer, Request, serving
from tests.waiting import PATIENCE_S, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

GUIDE: Final = ROOT / "docs" / "extending.md"
RUN: Final = "hub run --as-of sample\n"  # the block of commands that all how-tos share
AS_OF: Final = date(2026, 10, 31)
BOOKINGS: Final = 300
DAYS: Final = 90


@dataclass
class HowTo:
    """The effect of one how-to: files changed or made, and the output of its commands before and after the run."""

    touched: set[str] = field(default_factory=set)
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)


@dataclass
class Followed:
    """The copy in which every how-to was followed, and the effect of each."""

    project: Project
    received: list[Request]  # by the Mattermost of the guide
    how_tos: dict[str, HowTo] = field(default_factory=dict)

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.project.settings["HUB_DATABASE_URL"]) as connection:
            return connection.execute(query.encode()).fetchall()


@pytest.fixture(scope="module")
def followed(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Followed]:
    folder = tmp_path_factory.mktemp("extending")
    url = clone(server, TEMPLATE)
    load_sample(Settings(home=folder, database_url=url), bookings=BOOKINGS, days=DAYS, as_of=AS_OF)
    api = free_port()
    settings = {
        "HUB_HOME": str(folder / "hub"),
        "HUB_DATABASE_URL": url,
        "HUB_PORT_API": str(api),
        "HUB_API_ENTRY_SECRET": os.environ["HUB_API_ENTRY_SECRET"],
        "HUB_API_DATABASE_PASSWORD": os.environ["HUB_API_DATABASE_PASSWORD"],  # of a role that the server's tests share
    }
    with serving(HttpServer, "/hooks/abc") as mattermost:
        project = copied(folder, settings, {8065: urlsplit(mattermost.url).port or 0})
        followed = Followed(project, mattermost.requests)
        project.run(RUN)
        remaining = {heading: follow_until_run(followed, heading) for heading in headings()}
        waitlist(followed, api, folder / "api.log")
        project.run(RUN)
        for heading, steps_left in remaining.items():
            followed.how_tos[heading].after = follow(project, steps_left)
    yield followed
    execute(server, f"drop database {urlsplit(url).path[1:]} with (force)")


def follow_until_run(followed: Followed, heading: str) -> list[Edit | Commands]:
    """Follow a how-to up to its run of the Hub, record its effect, and return the steps after the run."""
    project, how_to = followed.project, HowTo()
    known = project.files()
    todo = steps(section(GUIDE.read_text(), heading))
    run_at = todo.index(Commands(RUN)) if Commands(RUN) in todo else len(todo)
    how_to.before = follow(project, todo[:run_at])
    how_to.touched = {name for name, content in project.files().items() if known.get(name) != content}
    followed.how_tos[heading] = how_to
    return todo[run_at + 1 :]


def waitlist(followed: Followed, port: int, log: Path) -> None:
    """Put a requested booking on the waiting list, by the API of the copy, and date this before the end of AS_OF."""
    ((booking_id, org, email),) = followed.rows(
        "select b.id, o.slug, p.email from app.bookings as b inner join app.organizations as o on o.id = b.org_id "
        "inner join app.profiles as p on p.org_id = b.org_id and p.role = 'admin' where b.status = 'requested' "
        "order by b.created_at limit 1"
    )
    token = followed.project.run(f"hub token --role admin --org {org} --email {email}").strip()
    with running(followed.project, ".venv/bin/python -m dashboard", log):
        address = f"http://127.0.0.1:{port}"
        wait_until(lambda: answers(f"{address}/readyz"))
        answer = httpx.post(
            f"{address}/v1/bookings/{booking_id}/transitions",
            json={"action": "waitlist"},
            headers={"Authorization": f"Bearer {token}"},
            timeout=PATIENCE_S,
        )
    assert answer.is_success, answer.text
    assert answer.json()["status"] == "waitlisted"
    with psycopg.connect(followed.project.settings["HUB_DATABASE_URL"]) as connection:
        connection.execute(
            "update app.booking_status_history as waitlisted "
            "set changed_at = requested.changed_at + interval '1 minute' from app.booking_status_history as requested "
            "where waitlisted.to_status = 'waitlisted' and requested.booking_id = waitlisted.booking_id "
            "and requested.to_status = 'requested'"
        )


def headings() -> list[str]:
    """Return the headings of the how-tos: those that begin with Add a."""
    return [line[3:] for line in GUIDE.read_text().splitlines() if line.startswith("## Add a")]


def follow(project: Project, todo: list[Edit | Commands]) -> list[str]:
    """Apply edits and run commands in order; return the output of each block of commands."""
    outputs = []
    for step in todo:
        if isinstance(step, Edit):
            step.apply(project.root)
        else:
            outputs.append(project.run(step.script))
    return outputs


def test_a_kpi(followed: Followed) -> None:
    how_to = followed.how_tos["Add a KPI"]
    assert how_to.touched == {"dbt/models/marts/_metrics_of_bookings.yml"}
    assert re.search(r"^ 2026-10-01 +\| +\d+\.\d+ +\| +\d+\.\d+ +\|", how_to.after[0], re.MULTILINE), how_to.after[0]
    assert followed.rows("select label, unit, kind from marts.dim_metric where metric = 'average_lead_time'") == [
        ("Average lead time", "days", "ratio")
    ]
    assert followed.rows(
        "select sum(value) filter (where metric = 'average_lead_time_sum')::float8, "
        "sum(value) filter (where metric = 'average_lead_time_count')::float8 "
        "from marts.kpi_daily where dimension = 'total'"
    ) == followed.rows("select sum(lead_days)::float8, count(lead_days)::float8 from intermediate.int_bookings_as_of")
    # Watched (on the days of the last 28 with bookings) and forecast, in total.
    assert followed.rows(
        "select count(distinct day) > 20 from ml.anomalies where metric = 'average_lead_time' and dimension = 'total'"
    ) == [(True,)]
    assert followed.rows(
        "select count(distinct day), min(forecast) > 0 from ml.forecasts where metric = 'average_lead_time'"
    ) == [(90, True)]


def test_a_source_table(followed: Followed) -> None:
    how_to = followed.how_tos["Add a source table"]
    assert how_to.touched == {
        "sources/tables/communication.py",
        migration_of(how_to, "complaints"),
        "dbt/models/staging/_app__sources.yml",
        "dbt/models/staging/_app__models.yml",
        "dbt/models/staging/stg_app__complaints.sql",
    }
    assert "Too late" in how_to.after[0]
    assert followed.rows("select subject, _deleted_at from raw.complaints") == [("Too late", None)]


def test_a_booking_status(followed: Followed) -> None:
    how_to = followed.how_tos["Add a booking status"]
    assert how_to.touched == {
        "sources/lifecycle.py",
        migration_of(how_to, "waitlisted_bookings"),
        "docs/lifecycle.md",  # written by the command
    }
    assert re.search(r"^ waitlisted +\| pending +\| +1$", how_to.after[0], re.MULTILINE), how_to.after[0]


def migration_of(how_to: HowTo, slug: str) -> str:
    """Return the path of the migration that a how-to made."""
    (path,) = [name for name in how_to.touched if name.endswith(f"_{slug}.py") and "migrations/versions" in name]
    return path


def test_a_notification_channel(followed: Followed) -> None:
    how_to = followed.how_tos["Add a notification channel"]
    assert how_to.touched == {"notifications/channels/mattermost.py", "notifications/channels/__init__.py"}
    assert {request.path for request in followed.received} == {"/hooks/abc"}
    tried, *alerts = [request.json["text"] for request in followed.received]
    assert "through the channel team" in tried
    assert any("past due" in alert for alert in alerts), "the insight of the guide's own rule"


def test_an_insight_rule(followed: Followed) -> None:
    how_to = followed.how_tos["Add an insight rule"]
    assert how_to.touched == {
        "insights/waiting_revenue.py",
        "insights/narrative/revenue.py",
        "insights/narrative/__init__.py",
        "insights/rules.py",
        "dagster_project/insights/assets.py",
        "dbt/models/_exposures.yml",
        "tests/dagster_project/definitions.json",  # written by the command
    }
    assert "waits for tasks that are past due" in how_to.after[0]


def test_a_csv_mapping(followed: Followed) -> None:
    how_to = followed.how_tos["Add a CSV mapping"]
    assert how_to.touched == {"sources/mappings/salon_diary.yml"}
    tried, imported_again = how_to.before
    assert "Dry run: nothing was written" in tried
    assert "'missed' is not in the value map" in tried
    assert "3 rows read: 1 new, 0 changed, 2 the same, 0 rejected" in imported_again
    assert followed.rows(
        "select b.booking_number, b.status, b.total_amount::text from app.bookings as b "
        "inner join app.organizations as o on o.id = b.org_id where o.slug = 'salon' order by 1"
    ) == [("1", "completed", "45.00"), ("2", "cancelled", "120.50"), ("3", "no_show", "45.00")]


def test_code_of_the_guide_is_clean(followed: Followed) -> None:
    code = {name for how_to in followed.how_tos.values() for name in how_to.touched if name.endswith(".py")}
    written = {name for name in code if "migrations/versions" not in name}  # the guide asks for make format afterwards
    followed.project.run(f"ruff check {' '.join(sorted(code))}; ruff format --check {' '.join(sorted(written))}")
