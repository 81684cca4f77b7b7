"""The `hub` command: one file per group of commands."""

import gc
import sys

import psycopg
import typer

from cli import bi, calendar, channels, data, db, digest, docs, example, insights, login, run, token, up
from sources.errors import HubError

app = typer.Typer(
    name="hub",
    help="Business Services Hub: from a booking to a delivered insight. Example: hub run --help",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command("up")(up.up)
app.command("run")(run.run)
app.add_typer(db.app, name="db")
app.command("sample")(data.sample)
app.command("import")(data.import_files)
app.add_typer(example.app, name="example")
app.command("digest")(digest.digest)
app.add_typer(insights.app, name="insights")
app.add_typer(calendar.app, name="calendar")
app.add_typer(channels.app, name="channel")
app.add_typer(bi.app, name="bi")
app.command("login")(login.login)
app.command("token")(token.token)
app.command("docs")(docs.docs)


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
