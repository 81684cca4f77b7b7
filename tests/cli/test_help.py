"""`hub ... --help`: every command and group has a summary and an example."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
import typer
from typer.main import get_command

from cli import app


def commands(command: typer.core.TyperGroup, path: str) -> Iterator[tuple[str, str]]:
    for name, child in command.commands.items():
        yield f"{path} {name}", child.help or ""
        if isinstance(child, typer.core.TyperGroup):
            yield from commands(child, f"{path} {name}")


@pytest.mark.parametrize(("path", "text"), list(commands(get_command(app), "hub")))  # type: ignore[arg-type]
def test_help_has_an_example(path: str, text: str) -> None:
    summary, separator, _ = text.partition("Example: ")
    assert summary.strip(), path
    assert separator, path
    assert path in text or "$(hub" in text, path


def test_a_command_imports_what_it_needs_and_no_more() -> None:
    listed = "import sys; from cli import app; app(['db', 'url', '--help'], standalone_mode=False); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", listed], capture_output=True, text=True, check=True)
    assert not {"alembic", "dagster", "dbt", "pandas", "slack_sdk", "sqlalchemy"} & set(done.stdout.split())
