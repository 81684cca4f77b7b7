"""Imports that admins ask for on the pages (app.import_jobs): one process at a time imports them, one after the other.

The result is written in the transaction of the import, so that an import whose process was killed is either done, or
begun again by the next run.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import psycopg
from psycopg import Connection
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from sources import database
from sources.errors import HubError
from sources.importing import ImportReport, import_files
from sources.importing.checking import MAPPING
from sources.importing.report import ImportSummary
from sources.settings import Settings

MAX_ATTEMPTS: Final = 3  # runs that begin with an import; then it has failed
NO_RESULT: Final = (
    f"{MAX_ATTEMPTS} runs of import_job ended before the import did; their errors are in the Dagster UI, under Runs. "
    "Nothing was written."
)

_LOCK: Final = "select pg_try_advisory_lock(hashtext('hub import jobs'))"
_WAITING: Final = "select exists (select from app.import_jobs where state in ('requested', 'running'))"
_GIVE_UP: Final = """
update app.import_jobs
set state = 'failed', error = %(error)s, finished_at = clock_timestamp(), findings = findings - 'reasons'
where state = 'running' and attempts >= %(max)s
"""
_CLAIM: Final = """
update app.import_jobs as jobs
set state = 'running', attempts = attempts + 1, started_at = %(now)s, step = null, rows_read = 0
from app.organizations as organizations
where jobs.id = (
        select waiting.id from app.import_jobs as waiting
        where waiting.state in ('requested', 'running') order by waiting.requested_at, waiting.id limit 1
    )
    and organizations.id = jobs.org_id
returning jobs.id, jobs.mapping, jobs.file_names, organizations.slug
"""
_FILES: Final = "select name, content from app.import_files where job_id = %(id)s order by name"
_PROGRESS: Final = "update app.import_jobs set step = %(step)s, rows_read = %(rows_read)s where id = %(id)s"
# The findings keep no value of a row: app.import_rejections has those of the rejected ones.
_END: Final = """
update app.import_jobs
set state = %(state)s, report = %(report)s, error = %(error)s, finished_at = clock_timestamp(), step = null,
    rows_read = coalesce((%(report)s::jsonb ->> 'rows_read')::bigint, rows_read), findings = findings - 'reasons'
where id = %(id)s
"""
_DELETE_FILES: Final = """
delete from app.import_files as files using app.import_jobs as jobs
where jobs.id = files.job_id and jobs.state in ('done', 'failed')
"""


@contextmanager
def only_importer(settings: Settings) -> Iterator[Connection | None]:
    """Yield a connection that holds the lock of imports until it ends; None if another process holds it."""
    with database.connect(database.database_url(settings)) as connection:
        connection.autocommit = True
        yield connection if connection.execute(_LOCK).fetchone() == (True,) else None


def are_waiting(connection: Connection) -> bool:
    """Return True if an import waits, or was begun by a process that has ended; for the holder of the lock."""
    return connection.execute(_WAITING).fetchone() == (True,)


def import_next(connection: Connection, settings: Settings, now: datetime) -> str | None:
    """Import what was asked for first, and return a sentence about its result; None if nothing waits.

    `connection` is that of `only_importer`; `now` becomes updated_at of the imported rows.
    """
    connection.execute(_GIVE_UP, {"error": NO_RESULT, "max": MAX_ATTEMPTS})
    connection.execute(_DELETE_FILES)
    with connection.cursor(row_factory=dict_row) as cursor:
        job = cursor.execute(_CLAIM, {"now": now}).fetchone()
    if job is None:
        return None
    try:
        report = _import(connection, settings, job, now)
    except HubError as error:
        with connection.transaction():
            _end(connection, job["id"], state="failed", error=str(error))
        return f"{job['slug']}: {error}"
    return f"{job['slug']}: {report.rows_read:,} rows read, {report.rejected:,} rejected."


def _import(connection: Connection, settings: Settings, job: dict[str, Any], now: datetime) -> ImportReport:
    def tell(step: str, rows_read: int) -> None:
        connection.execute(_PROGRESS, {"id": job["id"], "step": step, "rows_read": rows_read})

    def finish(importing: psycopg.Connection, report: ImportReport) -> None:
        summary = ImportSummary.model_validate(report, from_attributes=True)
        _end(importing, job["id"], state="done", report=Jsonb(summary.model_dump(mode="json")))

    with TemporaryDirectory(prefix="hub_import_") as folder:
        mapping = Path(folder) / MAPPING
        mapping.write_text(job["mapping"], encoding="utf-8")
        files = Path(folder) / "files"
        files.mkdir()
        for name, content in connection.execute(_FILES, job):
            (files / name).write_bytes(content)
        return import_files(
            settings, mapping, sorted(files.iterdir()), organization=job["slug"], as_of_now=now, progress=tell,
            before_commit=finish,
        )  # fmt: skip


def _end(
    connection: Connection, job_id: object, *, state: str, report: Jsonb | None = None, error: str | None = None
) -> None:
    connection.execute(_END, {"id": job_id, "state": state, "report": report, "error": error})
    connection.execute(_DELETE_FILES)
