"""The API for tests: a uvicorn server on a free port, with the seeded business.

`api` serves a module (about 0.4 s); `serve` is for a test that needs its own settings.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from threading import Thread
from typing import Any, Final

import httpx
import jwt
import pytest
import uvicorn
from fastapi import FastAPI

from notifications import invitations
from notifications.channels import CHANNELS
from sources.api.app import create_app
from sources.api.server import make_config
from sources.settings import Settings
from tests.sources.business import NORTH, PEOPLE, SOUTH, Business, Organization, open_business
from tests.sources.conftest import JWT_SECRET, seeded_settings
from tests.waiting import PATIENCE_S


def token_of(org: Organization, who: str, *, secret: str = JWT_SECRET, **claims: object) -> str:
    """Return a token of a person of PEOPLE, valid for an hour; `claims` are added, and None removes a claim."""
    now = int(time.time())
    given: dict[str, object] = {
        "sub": str(org.id_of(who)), "org_id": str(org.id), "role": PEOPLE[who],
        "aud": "business-services-hub", "iat": now, "exp": now + 3600,
    } | claims  # fmt: skip
    return jwt.encode({name: value for name, value in given.items() if value is not None}, secret, "HS256")


class Api:
    """A running API and the business behind it.

    `api.client("provider").post("/v1/bookings", json={...})`; `api.org` and `api.other` hold the seeded ids;
    `api.business.connection` reads the database directly.
    """

    org: Final = NORTH
    other: Final = SOUTH

    def __init__(
        self, url: str, business: Business, server: uvicorn.Server, cleanup: ExitStack, stop_soon: Callable[[], None]
    ) -> None:
        self.url = url
        self.business = business
        self.server = server
        self.stop_soon = stop_soon  # the effect of SIGTERM on a process
        self._cleanup = cleanup
        self._clients: dict[tuple[str, str], httpx.Client] = {}

    def client(self, who: str, *, org: Organization = NORTH) -> httpx.Client:
        """Return the HTTP client of a person of PEOPLE, with their token; kept open."""
        if (org.slug, who) not in self._clients:
            self._clients[org.slug, who] = self.new_client(Authorization=f"Bearer {token_of(org, who)}")
        return self._clients[org.slug, who]

    def new_client(self, **headers: str) -> httpx.Client:
        """Return an HTTP client with these headers and no other credentials; closed with the API."""
        client = httpx.Client(base_url=self.url, headers=headers, timeout=PATIENCE_S)
        self._cleanup.callback(client.close)
        return client

    def async_client(self, who: str, *, org: Organization = NORTH) -> httpx.AsyncClient:
        """Return an asynchronous client of a person of PEOPLE, for concurrent requests; the caller closes it."""
        return httpx.AsyncClient(
            base_url=self.url,
            headers={"Authorization": f"Bearer {token_of(org, who)}"},
            limits=httpx.Limits(max_connections=None),
            timeout=PATIENCE_S,
        )

    def book(self, who: str = "client", **fields: object) -> dict[str, Any]:
        """Create a booking and return it; by default a request of the client for the seeded service."""
        body = {"service_id": str(NORTH.service), **fields}
        if who != "client" and "client_id" not in body:
            body["client_id"] = str(NORTH.client)
        answer = self.client(who).post("/v1/bookings", json=body)
        assert answer.status_code == 201, answer.text
        booking: dict[str, Any] = answer.json()
        return booking


def make_api(settings: Settings) -> FastAPI:
    """Return the API alone, with the kinds of channels and the mail of invitations that `hub up` gives it."""
    return create_app(settings, channel_kinds=CHANNELS, send_invitation=invitations.send)


@contextmanager
def served(settings: Settings, make_app: Callable[[Settings], FastAPI] = make_api) -> Iterator[Api]:
    """Serve the application with these settings, by default the API alone, on a port that the system chooses."""
    app = make_app(settings)
    config = make_config(app, host="127.0.0.1", port=0, log_config=None, timeout_graceful_shutdown=5)
    server, runner = uvicorn.Server(config), asyncio.Runner(loop_factory=config.get_loop_factory())

    def run() -> None:
        with runner:
            runner.run(server.serve())

    thread = Thread(target=run, daemon=True)

    def stop_soon() -> None:
        runner.get_loop().call_soon_threadsafe(app.state.stopping.set)

    with ExitStack() as cleanup:
        business = cleanup.enter_context(open_business(settings))
        thread.start()
        while not server.started:
            assert thread.is_alive(), "the API did not start"
            time.sleep(0.005)
        port = server.servers[0].sockets[0].getsockname()[1]
        try:
            yield Api(f"http://127.0.0.1:{port}", business, server, cleanup, stop_soon)
        finally:
            stop_soon()
            server.should_exit = True
            thread.join(PATIENCE_S)
            assert not thread.is_alive(), "the API did not stop"


@pytest.fixture(scope="module")
def api(seeded: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """The API of a module: its tests create their own bookings and do not change the seeded rows."""
    with seeded_settings(seeded, tmp_path_factory.mktemp("hub")) as settings, served(settings) as running:
        yield running


@pytest.fixture
def serve(seeded: str, tmp_path: Path) -> Iterator[Callable[..., AbstractContextManager[Api]]]:
    """`with serve(rate_limit="3/minute") as api:` serves the API with its own settings."""
    with seeded_settings(seeded, tmp_path) as settings:
        yield lambda **changes: served(settings.model_copy(update=changes))
