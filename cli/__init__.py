"""The `hub` command: one file per group of commands."""

import gc
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Final

import psycopg
import typer
from typer.core import TyperGroup

from sources.errors import HubError

# Each command: its module, and in that a function, or the Typer of a group of commands.
COMMANDS: Final = {
    "up": ("up", "up"),
    "run": ("run", "run"),
    "db": ("db", "app"),
    "sample": ("data", "sample"),
    "import": ("data", "import_files"),
    "example": ("example", "app"),
    "digest": ("digest", "digest"),
    "insights": ("insights", "app"),
    "calendar": ("calendar", "app"),
    "target": ("targets", "app"),
    "channel": ("channels", "app"),
    "bi": ("bi", "app"),
    "people": ("people", "app"),
    "login": ("login", "login"),
    "token": ("token", "token"),
    "docs": ("docs", "docs"),
}
STYLE: Final[dict[str, Any]] = {"pretty_exceptions_enable": False, "rich_markup_mode": "rich"}


class _OnDemand(Mapping[str, Any]):
    """COMMANDS, each imported when it is read: importing all of them takes longer than most of them run."""

    def __init__(self) -> None:
        self._imported: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._imported:
            module, member = COMMANDS[name]
            found, group = getattr(import_module(f"cli.{module}"), member), typer.Typer(**STYLE)
            if isinstance(found, typer.Typer):
                group.add_typer(found, name=name)
            else:
                group.command(name)(found)
            self._imported |= typer.main.get_group(group).commands
        return self._imported[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class _Commands(TyperGroup):
    """A group with the commands of COMMANDS."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = _OnDemand()  # type: ignore[assignment]  # no command is added to it


app = typer.Typer(
    name="hub",
    cls=_Commands,
    help="Business Services Hub: from a booking to a delivered insight. Example: hub run --help",
    no_args_is_help=True,
    **STYLE,
)


@app.callback()
def _hub() -> None:
    """Take no options of its own."""


def main() -> None:
    """Run the command line; an error that users can correct is one sentence and exit code 1, never a traceback."""
    gc.set_threshold(100_000, 20, 100)  # a run creates millions of long-lived objects: fewer collections save 2 s of 40
    try:
        app()
    except HubError as error:
        print(f"hub: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(1)
    except psycopg.OperationalError as error:
        print(f"hub: The connection to the database was lost: {str(error).strip().splitlines()[0]}", file=sys.stderr)  # noqa: T201
        sys.exit(1)
    except KeyboardInterrupt:
        print("hub: stopped.", file=sys.stderr)  # noqa: T201
        sys.exit(130)
