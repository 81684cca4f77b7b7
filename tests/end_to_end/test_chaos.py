"""SIGKILL at random moments to the API and to the database under load: no booking is lost, and none is made twice.

`make chaos` runs it; test_run.py kills runs of the main job in the same way.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Final
from uuid import uuid4

import httpx
import psutil
import psycopg
import pytest

from sources import database, embedded_server
from sources.settings import Settings
from sources.tokens import issue_token
from tests.conftest import free_port
from tests.end_to_end import chaos
from tests.sources.business import NORTH, seed
from tests.waiting import PATIENCE_S, wait_until

WRITERS: Final = 4
PAUSE_S: Final = 0.05  # of a writer, so that a hundred kills meet thousands of bookings, and not more


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Settings]:
    """A Hub of its own with the seeded business, on a server that the test may kill."""
    settings = Settings(home=tmp_path / "hub", port_database=free_port(), port_api=free_port())
    database.start(settings)
    try:
        database.migrate(settings)
        with psycopg.connect(embedded_server.url(settings), autocommit=True) as connection:
            seed(connection)
        yield settings
    finally:
        embedded_server.stop(settings)


@pytest.mark.skipif(not chaos.KILLS, reason="it takes minutes: make chaos")
@pytest.mark.timeout(7200)
def test_bookings_survive_kills_of_the_api_and_the_database(hub: Settings) -> None:
    chance, stopping = chaos.random_moments(), Event()
    with Api(hub) as api, ThreadPoolExecutor(WRITERS) as pool:
        writers = [pool.submit(api.book_until, stopping) for _ in range(WRITERS)]
        try:
            for kill in range(chaos.KILLS):
                time.sleep(chance.uniform(0.1, 1.0))
                if kill % 2:
                    api.kill()
                    api.start()
                else:
                    kill_server(hub)
                    embedded_server.start(hub)
                wait_until(api.is_ready)
        finally:
            stopping.set()
        confirmed = [booking for writer in writers for booking in writer.result(PATIENCE_S)]
    assert len(confirmed) > chaos.KILLS
    with psycopg.connect(embedded_server.url(hub)) as connection:
        kept = connection.execute("select id::text, title from app.bookings order by title").fetchall()
    chaos.tell(f"{len(confirmed)} bookings")
    assert kept == sorted(confirmed, key=lambda booking: booking[1])


class Api:
    """The API in a process of its own, which is killed and started again."""

    def __init__(self, hub: Settings) -> None:
        self.hub = hub
        self.url = f"http://127.0.0.1:{hub.port_api}"
        with psycopg.connect(embedded_server.url(hub)) as connection:
            self.token = issue_token(
                connection,
                hub,
                role="admin",
                email="admin@north.example",
                slug="north",
                days=1,
                issued_at=int(time.time()),
            )

    def __enter__(self) -> "Api":
        self.start()
        wait_until(self.is_ready)
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        environment = {
            **os.environ,
            "HUB_HOME": str(self.hub.home),
            "HUB_PORT_DATABASE": str(self.hub.port_database),
            "HUB_PORT_API": str(self.hub.port_api),
            "HUB_RATE_LIMIT": "1000000/minute",
            "HUB_RATE_LIMIT_ADDRESS": "1000000/minute",
        }
        self.process = subprocess.Popen([sys.executable, "-m", "dashboard"], env=environment, stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def book_until(self, stopping: Event) -> list[tuple[str, str]]:
        """Make bookings, each repeated with its Idempotency-Key until it is confirmed; return their ids and titles."""
        confirmed = []
        while not stopping.is_set():
            title = str(uuid4())
            while (made := self._book(title)) is None:
                time.sleep(PAUSE_S)
            confirmed.append((made, title))
            time.sleep(PAUSE_S)
        return confirmed

    def _book(self, title: str) -> str | None:
        """Return the id of a booking; None where nobody knows whether it was made."""
        body = {"service_id": str(NORTH.service), "client_id": str(NORTH.client), "title": title}
        headers = {"Authorization": f"Bearer {self.token}", "Idempotency-Key": title}
        try:
            answer = httpx.post(f"{self.url}/v1/bookings", json=body, headers=headers, timeout=PATIENCE_S)
        except httpx.TransportError:
            return None
        assert answer.status_code in (201, 500, 503), answer.text
        return str(answer.json()["id"]) if answer.status_code == 201 else None


def kill_server(hub: Settings) -> None:
    """End every process of the database server at once, as a power cut does."""
    pid = int((embedded_server.data_folder(hub) / "postmaster.pid").read_text().splitlines()[0])
    postmaster = psutil.Process(pid)
    processes = [postmaster, *postmaster.children(recursive=True)]
    for process in processes:
        process.kill()
    psutil.wait_procs(processes, PATIENCE_S)
