"""The job of imports that admins ask for on the pages; the sensor `requested_imports` starts it."""

from datetime import UTC, datetime

import dagster as dg

from sources.importing import jobs
from sources.settings import get_settings


@dg.op(description="Imports the files of every request that waits, as `hub import` does, each for its organisation.")
def import_requested_files(context: dg.OpExecutionContext) -> None:
    settings = get_settings()
    with jobs.only_importer(settings) as connection:
        if connection is None:
            context.log.info("Another run imports.")
            return
        while (result := jobs.import_next(connection, settings, datetime.now(UTC))) is not None:
            context.log.info(result)


@dg.job(description="Imports that admins asked for on the page /settings/import. Ingestion follows by its schedule.")
def import_job() -> None:
    import_requested_files()
