"""The run lock: one run at a time writes the warehouse."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, sleep
from typing import Final

from sources import database
from sources.errors import HubError
from sources.settings import Settings

WAIT_FOR_OTHER_RUN_S: Final = 600.0  # a first load of a million bookings takes less than a third of this


@contextmanager
def exclusive_run(settings: Settings, *, wait_s: float = WAIT_FOR_OTHER_RUN_S) -> Iterator[None]:
    """Hold the lock of the run that writes the warehouse; PostgreSQL releases it when the process ends.

    Raises HubError if another run still holds it after `wait_s` seconds.
    """
    with database.connect(database.database_url(settings)) as lock:
        lock.autocommit = True  # an open transaction would hold back ingestion's watermark
        deadline = monotonic() + wait_s
        while lock.execute("select pg_try_advisory_lock(hashtext('hub run'))").fetchone() != (True,):
            if monotonic() > deadline:
                raise HubError("Another run is still writing the warehouse; try again when it has ended.")
            sleep(0.5)
        yield
