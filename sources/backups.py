"""Backups of the Hub's database: one file in the custom format of pg_dump, and the way back from it."""

import os
import re
import shutil
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, LiteralString

from sources import database, embedded_server
from sources.errors import HubError
from sources.settings import Settings

LOCK_TIMEOUT: Final = "10s"  # for the tables that are dropped: nobody else is connected
REVISION: Final = re.compile(rb"^COPY app\.alembic_version .*\n(\w+)$", re.MULTILINE)
SLOW_QUERIES: Final = re.compile(rb".*\bslow_queries\b.*\n")  # in the list of what a backup contains

# What is true of the moment and the server of the backup only: the transaction ids of live changes, and open sessions
# and links, of which some were ended or used after the backup.
PUT_RIGHT: Final[LiteralString] = """
truncate app.live_changes;
update app.sessions set ended_at = coalesce(ended_at, now()), link_ends_at = least(link_ends_at, now())
"""


@dataclass(frozen=True)
class Restored:
    """What is in a restored database: organisations, bookings, and deliveries that wait to be sent."""

    organizations: int
    bookings: int
    waiting: int


def write(settings: Settings, file: Path) -> int:
    """Write the Hub's database, as of one moment, to `file`, readable by its owner only; return its size in bytes.

    A former file is replaced when the backup is complete. Raises HubError where it cannot be written.
    """
    program = _program(settings, "pg_dump")
    unfinished = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as output:
            # The migrations create the extensions; on another server they may belong to its administrator.
            dump = [program, "--format=custom", "--no-owner", "--exclude-extension=*"]
            _run([*dump, f"--dbname={database.url_with_passfile(settings)}"], output)
            os.fsync(output.fileno())
        unfinished.replace(file)
        return file.stat().st_size
    except OSError as error:
        raise HubError(f"The backup cannot be written to {file}: {error.strerror}.") from None
    finally:
        unfinished.unlink(missing_ok=True)


def check(settings: Settings, file: Path) -> None:
    """Raise HubError unless `file` is a backup that this version of the Hub can read."""
    from alembic.script import ScriptDirectory

    if not file.is_file():
        raise HubError(f"There is no file {file}.")
    with tempfile.TemporaryFile() as output:
        query = ["--data-only", "--schema=app", "--table=alembic_version", "--file=-"]
        try:
            _run([_program(settings, "pg_restore"), *query, str(file.absolute())], output)
        except HubError as error:
            raise HubError(f"{file} is no backup of the Hub: {error}") from None
        output.seek(0)
        revision = REVISION.search(output.read())
    if revision is None:
        raise HubError(f"{file} is no backup of the Hub: it has no table app.alembic_version.")
    name = revision[1].decode()
    scripts = ScriptDirectory.from_config(database.alembic_config(settings))
    if name not in {script.revision for script in scripts.walk_revisions()}:
        raise HubError(f"{file} is a backup of a later version of the Hub (revision {name}): upgrade this one first.")


def is_empty(settings: Settings) -> bool:
    """Return True if the Hub's migrated database has no organisation."""
    with database.connect(database.database_url(settings)) as connection:
        return connection.execute("select exists (select from app.organizations)").fetchone() == (False,)


def refuse_other_sessions(settings: Settings) -> None:
    """Raise HubError if anything else is connected to the Hub's database."""
    with database.connect(database.database_url(settings)) as connection:
        row = connection.execute(
            """
            select string_agg(distinct coalesce(nullif(application_name, ''), usename), ', ') from pg_stat_activity
            where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
            """
        ).fetchone()
    if row and row[0]:
        raise HubError(f"The database is in use by {row[0]}: stop `hub up`, and end other connections.")


def restore(settings: Settings, file: Path) -> Restored:
    """Replace all data of the Hub's migrated database by those of a backup, and migrate these.

    The roles to which the backup grants rights are those of the migrations. A restore that fails leaves the database as
    it was. Raises HubError where `check` does, and where the server refuses a statement of the backup.
    """
    check(settings, file)
    with tempfile.NamedTemporaryFile() as objects:
        _run([_program(settings, "pg_restore"), "--list", str(file.absolute())], objects)
        objects.seek(0)
        listed = objects.read()
        with database.connect(database.database_url(settings)) as connection:
            if connection.execute("select to_regclass('app.slow_queries')").fetchone() == (None,):
                listed = SLOW_QUERIES.sub(b"", listed)  # a server without pg_stat_statements cannot have it
        objects.seek(0)
        objects.truncate()
        objects.write(listed)
        objects.flush()
        _replace(settings, [f"--use-list={objects.name}", str(file.absolute())])
    database.migrate(settings)
    with database.connect(database.database_url(settings)) as connection:
        connection.execute(PUT_RIGHT)
        connection.commit()
        connection.autocommit = True
        connection.execute("analyze")  # a backup has no statistics
        row = connection.execute(
            """
            select (select count(*) from app.organizations), (select count(*) from app.bookings),
                (select count(*) from app.notification_deliveries where state in ('pending', 'sending', 'failed'))
            """
        ).fetchone()
        assert row is not None
        return Restored(*row)


def _replace(settings: Settings, what: list[str]) -> None:
    """Drop every schema of the Hub and create those of a backup, in one transaction."""
    drops = "; ".join(f"drop schema if exists {name} cascade" for name in database.SCHEMAS)
    # `drop` tells of every dropped table otherwise, on stderr.
    prelude = f"set client_min_messages = warning; set lock_timeout = '{LOCK_TIMEOUT}'; {drops}"
    psql = [_program(settings, "psql"), "--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1"]
    with tempfile.TemporaryFile() as read_errors, tempfile.TemporaryFile() as write_errors:
        reader = subprocess.Popen(
            [_program(settings, "pg_restore"), "--no-owner", "--file=-", *what],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=read_errors,
        )  # fmt: skip
        writer = subprocess.Popen(
            [*psql, f"--dbname={database.url_with_passfile(settings)}", f"--command={prelude}", "--file=-"],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=write_errors,
        )  # fmt: skip
        assert reader.stdout
        assert writer.stdin
        try:
            with suppress(BrokenPipeError):  # psql has ended: it says why
                shutil.copyfileobj(reader.stdout, writer.stdin, 2**20)
            reader.stdout.close()
            if writer.poll() is None and reader.wait() != 0:
                raise HubError(f"The backup cannot be read: {_last_line(read_errors)}")
            with suppress(BrokenPipeError):
                writer.stdin.close()  # the end of the script: psql commits
            if writer.wait() != 0:
                raise HubError(
                    f"The backup was not restored, and the database is as it was: {_last_line(write_errors)}"
                )
        finally:
            for process in (writer, reader):  # psql that is killed commits nothing
                process.kill()
                process.wait()


def _program(settings: Settings, name: str) -> str:
    """Return the path of a program of PostgreSQL: that of the PATH for a server of one's own, if it is recent enough.

    The Hub's own programs are the other choice. They cannot read a later server, and have no TLS.
    """
    own = str(embedded_server.BIN / name)
    if settings.uses_embedded_server:
        return own
    with database.connect(database.database_url(settings)) as connection:
        major = connection.info.server_version // 10_000
    found = shutil.which(name)
    if found is not None and _major(found) >= major:
        return found
    if _major(own) >= major:
        return own
    raise HubError(f"The server is PostgreSQL {major}: put the folder of its program {name} on the PATH.")


def _major(program: str) -> int:
    """Return the major version of a program of PostgreSQL, which prints `NAME (PostgreSQL) 18.1`."""
    printed = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    version = re.search(r"\d+", printed)
    return int(version[0]) if version else 0


def _run(command: list[str], output: IO[bytes]) -> None:
    """Run a program of PostgreSQL. Raises HubError with the last line of what it says where it fails."""
    with tempfile.TemporaryFile() as errors:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, check=False)
        if done.returncode != 0:
            raise HubError(_last_line(errors))


def _last_line(errors: IO[bytes]) -> str:
    """Return the last line that tells of an error."""
    errors.seek(0)
    lines = errors.read().decode(errors="replace").strip().splitlines()
    return next((line for line in reversed(lines) if "error" in line.lower()), lines[-1] if lines else "it was stopped")
