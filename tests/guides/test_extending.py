"""docs/extending.md: each how-to, followed literally in a copy of the project, gives what it promises.

The copy starts as its reader's: with a sample business and one run behind it. All how-tos share it, and the run of
the Hub that each of them asks for; what each touches is recorded apart.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Final
from urllib.parse import urlsplit

import psycopg
import pytest

from sources.settings import Settings
from sources.simulate import load_sample
from tests.conftest import TEMPLATE, clone, execute
from tests.guides.markdown import Commands, Edit, section, steps
from tests.guides.project import ROOT, Project, copied

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

GUIDE: Final = ROOT / "docs" / "extending.md"
RUN: Final = "hub run --as-of sample\n"  # the block of commands that all how-tos share
AS_OF: Final = date(2026, 10, 31)
BOOKINGS: Final = 300
DAYS: Final = 90


@dataclass
class HowTo:
    """What following one how-to did: files changed or made, and the output of its commands before and after the run."""

    touched: set[str] = field(default_factory=set)
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)


@dataclass
class Followed:
    """The copy in which every how-to was followed, and what each did."""

    project: Project
    how_tos: dict[str, HowTo]

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.project.settings["HUB_DATABASE_URL"]) as connection:
            return connection.execute(query.encode()).fetchall()


@pytest.fixture(scope="module")
def followed(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Followed]:
    folder = tmp_path_factory.mktemp("extending")
    url = clone(server, TEMPLATE)
    load_sample(Settings(home=folder, database_url=url), bookings=BOOKINGS, days=DAYS, as_of=AS_OF)
    settings = {
        "HUB_HOME": str(folder / "hub"),
        "HUB_DATABASE_URL": url,
        "HUB_API_DATABASE_PASSWORD": os.environ["HUB_API_DATABASE_PASSWORD"],  # of a role that the server's tests share
    }
    project = copied(folder, settings)
    project.run(RUN)

    how_tos = {heading: HowTo() for heading in headings()}
    remaining = {}
    for heading, how_to in how_tos.items():
        known = project.files()
        todo = steps(section(GUIDE.read_text(), heading))
        run_at = todo.index(Commands(RUN)) if Commands(RUN) in todo else len(todo)
        how_to.before = follow(project, todo[:run_at])
        remaining[heading] = todo[run_at + 1 :]
        how_to.touched = {name for name, content in project.files().items() if known.get(name) != content}
    project.run(RUN)
    for heading, how_to in how_tos.items():
        how_to.after = follow(project, remaining[heading])
    yield Followed(project, how_tos)
    execute(server, f"drop database {urlsplit(url).path[1:]} with (force)")


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
    assert how_to.touched == {"dbt/dbt_project.yml"}
    assert "reviews_received" in how_to.after[0]
    assert followed.rows("select label from marts.dim_metric where metric = 'reviews_received'") == [
        ("Reviews received",)
    ]
    assert followed.rows(
        "select sum(value) from marts.kpi_daily where metric = 'reviews_received' and dimension = 'total'"
    ) == followed.rows("select count(*) from app.reviews")


def test_a_csv_mapping(followed: Followed) -> None:
    how_to = followed.how_tos["Add a CSV mapping"]
    assert how_to.touched == {"sources/mappings/salon_diary.yml"}
    tried, imported_again = how_to.before
    assert "Dry run: nothing was kept" in tried
    assert "'missed' is not in the value map" in tried
    assert "3 rows read: 1 new, 0 changed, 2 the same, 0 rejected" in imported_again
    assert followed.rows(
        "select b.booking_number, b.status, b.total_amount::text from app.bookings as b "
        "inner join app.organizations as o on o.id = b.org_id where o.slug = 'salon' order by 1"
    ) == [("1", "completed", "45.00"), ("2", "cancelled", "120.50"), ("3", "no_show", "45.00")]


def test_code_of_the_guide_is_formatted_and_clean(followed: Followed) -> None:
    code = sorted(name for how_to in followed.how_tos.values() for name in how_to.touched if name.endswith(".py"))
    assert (
        followed.project.run(f"ruff format --check {' '.join(code)} && ruff check {' '.join(code)}") if code else True
    )
