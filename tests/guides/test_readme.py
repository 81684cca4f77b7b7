"""README.md: its commands, followed literally in a copy of the project, and what it says about files and commands."""

import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import typer
from typer.core import TyperGroup

from tests.conftest import free_port
from tests.guides.markdown import Commands, section, steps
from tests.guides.project import ROOT, Project, answers, copied
from tests.guides.shell import Shell, running
from tests.waiting import wait_until

README: Final = (ROOT / "README.md").read_text()
MAKEFILE: Final = (ROOT / "Makefile").read_text()
PORTS: Final = (3000, 8000, 5433, 3001, 8001, 5434, 8025)  # that the README names, or its commands use
START_S: Final = 300.0  # for `hub up`, on a machine with much else to do


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A copy of the project with ports of its own, and the database in its `.hub` ended afterwards."""
    folder = tmp_path_factory.mktemp("readme")
    ports = {port: free_port() for port in PORTS}
    settings = {
        "HOME": str(folder),
        "HUB_PORT_DAGSTER": str(ports[3000]),
        "HUB_PORT_API": str(ports[8000]),
        "HUB_PORT_DATABASE": str(ports[5433]),
    }
    made = copied(folder, settings, ports)
    yield made
    made.run("hub db stop; HUB_HOME=$HOME/.hub-mine hub db stop")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(shutil.which("curl") is None, reason="the README calls curl, which this machine has not")
def test_every_command_of_the_tour_works(project: Project, tmp_path: Path) -> None:
    demo, up = commands("Start")
    tour = commands("Ten minutes")
    assert "What happened" in project.run(demo)
    served = project.run(f"make --dry-run {up.removeprefix('make ')}").splitlines()
    assert served[-1].endswith("hub up")
    assert set(project.run("make --dry-run demo").splitlines()) <= set(served), "make up does what make demo does"

    api = f"http://127.0.0.1:{project.ports[8000]}"
    outputs: dict[str, str] = {}
    shell = Shell(project)
    with ExitStack() as terminals:
        for number, block in enumerate(tour):
            log = tmp_path / f"{number}.log"
            if block == "hub up\n":
                terminals.enter_context(running(project, block, log))
                wait_until(partial(is_served, log), START_S)
                assert answers(f"{api}/readyz")
                assert answers(f"{api}/docs")
                assert_opens_dagster(api, shell.run("hub login\n"))
            elif "aiosmtpd" in block:
                terminals.enter_context(running(project, block, log))
                wait_until(lambda: accepts(project.ports[8025]))
                mails = log
            elif block.startswith("curl -sN"):
                outputs[block] = first_line(shell, block, project.scratch / "changes")
            else:
                outputs[block] = shell.run(block.replace("ID\n", f"{an_insight(project)}\n"))
        shell.close()
        assert "Subject: " in mails.read_text()
    printed = "\n".join(outputs.values())
    for part in (
        "What to do: ",
        "payment",
        '"booking_number"',
        "1 new, 0 changed, 0 the same, 1 rejected",
        "10 March 2026",
    ):
        assert part in printed, part
    for page in ("digest.html", "docs.html"):
        assert (project.root / page).stat().st_size > 10_000


def assert_opens_dagster(api: str, printed: str) -> None:
    """The printed link signs in, and then the Dagster UI has the Hub's definitions; without it, nothing of Dagster."""
    query = {"query": "{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } } } } }"}
    [link] = re.findall(r"/sign-in\?link=(\S+)", printed)
    with httpx.Client(base_url=api, headers={"Origin": api}, timeout=60) as browser:
        assert browser.post("/dagster/graphql", json=query).status_code == 401
        assert browser.post("/sign-in", data={"link": link}).status_code == 303
        assert browser.post("/dagster/graphql", json=query).json()["data"]["repositoriesOrError"]["nodes"] == [
            {"name": "__repository__", "location": {"name": "hub"}}
        ]
        assert "/dagster/_next/" in browser.get("/dagster/").text


def is_served(log: Path) -> bool:
    """Return True if `hub up`, which prints to `log`, has started everything."""
    return "Ctrl-C stops everything." in log.read_text()


def commands(heading: str) -> list[str]:
    """Return the blocks of commands of a section."""
    return [step.script for step in steps(section(README, heading)) if isinstance(step, Commands)]


def an_insight(project: Project) -> str:
    """Return an id as `hub insights list` shows it."""
    return project.run('psql "$(hub db url)" -Atc "select right(id::text, 8) from app.insight_events limit 1"').strip()


def first_line(shell: Shell, block: str, file: Path) -> str:
    """Return the first line of an endless output."""
    shell.run(f"{block.strip()} > /tmp/{file.name} &\nLISTENER=$!")
    wait_until(lambda: file.exists() and "\n" in file.read_text())
    shell.run("kill -KILL $LISTENER")  # a test runner may ignore SIGTERM, and its children inherit that
    return file.read_text()


def accepts(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10):
            return True
    except OSError:
        return False


def test_every_make_target_that_is_named_exists_and_is_listed() -> None:
    (phony,) = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    (row,) = re.findall(r"^\| `Makefile` \| (.*) \|$", README, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", row)) == set(phony.split())
    named = {
        target
        for guide in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))
        for target in re.findall(r"(?:`|^ *)make ([a-z]+)", guide.read_text(), re.MULTILINE)
    }
    assert named <= set(phony.split())


def test_the_table_of_commands_is_complete_and_names_options_that_exist() -> None:
    from cli import app

    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    listed: dict[str, set[str]] = {}
    for row in re.findall(r"^\| `hub (.*?)` \|", README, re.MULTILINE):
        words = row.replace("\\|", "|").split()
        listed.setdefault(words[0], set()).update(re.findall(r"--[a-z-]+", row))
        command = root.commands[words[0]]
        if isinstance(command, TyperGroup):
            assert set(words[1].split("|")) == set(command.commands)
    assert set(listed) == set(root.commands)
    for name, options in listed.items():
        assert options <= options_of(root.commands[name]), name


def options_of(command: Any) -> set[str]:
    """Return the options of a command and of its subcommands."""
    options = {option for parameter in command.params for option in parameter.opts}
    subcommands = command.commands.values() if isinstance(command, TyperGroup) else ()
    return options.union(*(options_of(subcommand) for subcommand in subcommands))


def test_every_link_leads_to_a_file() -> None:
    broken = [
        f"{guide.name}: {target}"
        for guide in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").glob("*/*.md"))
        for target in re.findall(r"\]\(([^)#\s]+)", guide.read_text())
        if not target.startswith("http") and not (guide.parent / target).exists()
    ]
    assert broken == []


def test_the_table_of_places_names_every_folder() -> None:
    places = {name.rstrip("/") for row in section(README, "Where things are").splitlines()
              for name in re.findall(r"`([^`]+)`", row.split("|")[1] if row.startswith("|") else "")}  # fmt: skip
    assert [name for name in places if not (ROOT / name).exists()] == []
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    folders = {name.partition("/")[0] for name in listed.splitlines() if "/" in name and not name.startswith(".")}
    assert folders <= places
