"""The front door: signing in by a one-time link, and the Dagster UI behind it.

A server on a unix socket is in Dagster's place: it takes what Dagster takes, and keeps what reaches it.
"""

import base64
import hashlib
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from threading import Thread
from typing import Final
from urllib.parse import quote, urlsplit

import httpx
import psycopg
import pytest
import uvicorn
import websockets.exceptions
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from sources import sign_in
from sources.api import dagster_ui, sessions
from sources.errors import HubError
from sources.settings import Settings
from tests.sources.api.conftest import Api
from tests.sources.business import NORTH
from tests.waiting import wait_until

GRAPHQL: Final = "/dagster/graphql"
MUTATION: Final = {"query": "mutation { launchRun { __typename } }"}
Serve = Callable[..., AbstractContextManager[Api]]


class Dagster:
    """What reached the server in Dagster's place: the method, path and query of each request, and its cookies."""

    def __init__(self, socket: str) -> None:
        self.socket = socket
        self.seen: list[tuple[str, str]] = []
        self.cookies: list[str | None] = []

    async def take(self, request: Request) -> Response:
        self.seen.append((request.method, request.url.path + (f"?{request.url.query}" if request.url.query else "")))
        self.cookies.append(request.headers.get("cookie"))
        headers = {"content-security-policy": "script-src 'self'", "set-cookie": "x=y", "x-frame-options": "ALLOWALL"}
        return PlainTextResponse(b"from Dagster: " + await request.body(), headers=headers)

    async def talk(self, socket: WebSocket) -> None:
        self.cookies.append(socket.headers.get("cookie"))
        await socket.accept("graphql-ws")
        async for message in socket.iter_text():
            await socket.send_text(f"from Dagster: {message}")


@contextmanager
def serving(dagster: Dagster) -> Iterator[None]:
    routes = [
        WebSocketRoute(GRAPHQL, dagster.talk),
        Route("/{path:path}", dagster.take, methods=["GET", "POST", "PUT", "DELETE"]),
    ]
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), uds=dagster.socket, log_config=None))
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started)
    yield
    server.should_exit = True
    thread.join()


@pytest.fixture
def dagster() -> Iterator[Dagster]:
    with tempfile.TemporaryDirectory(prefix="hub-") as folder:  # a short path, as a socket needs
        running = Dagster(f"{folder}/ui")
        with serving(running):
            yield running


@pytest.fixture
def api(dagster: Dagster, serve: Serve) -> Iterator[Api]:
    with serve(dagster_socket=dagster.socket) as running:
        yield running


def link(api: Api, who: str = "admin", *, at: datetime | None = None, opens_dagster: bool | None = None) -> str:
    """Return the path of a one-time link of a person; by default an admin's opens the Dagster UI."""
    with psycopg.connect(api.business.settings.database_url) as connection:
        url = sign_in.link_of(
            connection,
            api.business.settings,
            email=f"{who}@north.example",
            slug=None,
            at=at or datetime.now(UTC),
            opens_dagster=who == "admin" if opens_dagster is None else opens_dagster,
        )
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


def signed_in(api: Api, who: str = "admin", *, opens_dagster: bool | None = None) -> httpx.Client:
    """Return a browser in which the person has signed in."""
    browser = api.new_client(Origin=api.url)
    assert use(browser, link(api, who, opens_dagster=opens_dagster)).status_code == 303
    return browser


def secret_of(api: Api, browser: httpx.Client) -> str:
    return str(browser.cookies[sessions.cookie_of(api.business.settings)])


def cookie_of(api: Api, secret: str) -> str:
    return f"{sessions.cookie_of(api.business.settings)}={secret}"


def use(browser: httpx.Client, path: str, **headers: str) -> httpx.Response:
    return browser.post(sign_in.PATH, data={"link": path.partition("link=")[2]}, headers=headers)


def raw_get(api: Api, path: str, browser: httpx.Client) -> int:
    """Return the status of GET `path` as it is written."""
    parts = urlsplit(api.url)
    connection = HTTPConnection(str(parts.hostname), parts.port)
    connection.putrequest("GET", quote(path, safe="/?=.%"), skip_host=True)
    connection.putheader("Host", parts.netloc)
    connection.putheader("Cookie", cookie_of(api, secret_of(api, browser)))
    connection.endheaders()
    status = connection.getresponse().status
    connection.close()
    return status


def opened(api: Api, headers: dict[str, str], origin: str | None) -> ClientConnection:
    """Open a web socket to the GraphQL of Dagster."""
    url = f"{api.url.replace('http', 'ws')}{GRAPHQL}"
    protocols = [Subprotocol("graphql-ws")]
    return connect(url, additional_headers=headers, origin=Origin(origin) if origin else None, subprotocols=protocols)


def test_a_link_is_used_once_by_its_button_and_within_its_time(api: Api) -> None:
    browser, path = api.new_client(Origin=api.url), link(api)
    assert path.partition("link=")[2] in browser.get(path).text  # opened, by a scanner of mails perhaps, it stays valid
    answer = use(browser, path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert use(browser, path).status_code == 403
    too_old = datetime.now(UTC) - timedelta(minutes=sign_in.LINK_MINUTES)
    assert use(api.new_client(Origin=api.url), link(api, at=too_old)).status_code == 403
    assert use(api.new_client(Origin="https://evil.example"), link(api)).status_code == 403


def test_secrets_are_stored_as_hashes(api: Api) -> None:
    browser = signed_in(api)
    secret = secret_of(api, browser)
    stored = api.business.connection.execute("select s::text from app.sessions as s").fetchall()
    assert stored
    assert not [row for (row,) in stored if secret in row]


def test_without_a_session_nothing_reaches_dagster(api: Api, dagster: Dagster) -> None:
    stranger = api.new_client(Origin=api.url)
    page = stranger.get("/dagster/", headers={"Accept": "text/html"})
    assert (page.status_code, page.headers["location"]) == (303, sign_in.PATH)
    assert stranger.get("/dagster/server_info").status_code == 401
    assert stranger.get(GRAPHQL, params=MUTATION).status_code == 401
    assert stranger.post(GRAPHQL, json=MUTATION).status_code == 401
    stranger.cookies.set(sessions.cookie_of(api.business.settings), "forged")
    assert stranger.post(GRAPHQL, json=MUTATION).status_code == 401
    assert api.client("admin").post(GRAPHQL, json=MUTATION).status_code == 401  # a token of the API is no session
    assert dagster.seen == []


def test_an_admin_works_with_dagster(api: Api, dagster: Dagster) -> None:
    browser = signed_in(api)
    page = browser.get("/dagster/assets?group=a%2Fb")
    assert page.text == "from Dagster: "
    assert page.headers["content-security-policy"] == "script-src 'self'"
    assert page.headers["x-frame-options"] == "DENY"
    assert "set-cookie" not in page.headers
    assert browser.post(GRAPHQL, json={"query": "{ version }"}).text == 'from Dagster: {"query":"{ version }"}'
    assert dagster.seen == [("GET", "/dagster/assets?group=a%2Fb"), ("POST", GRAPHQL)]
    assert dagster.cookies == [None, None]  # the session is the Hub's


def test_a_link_opens_dagster_only_where_that_was_asked_for(api: Api, dagster: Dagster) -> None:
    admin = signed_in(api, opens_dagster=False)
    assert admin.get("/dagster/").status_code == 403
    assert "/sign-out" in admin.get(sign_in.PATH).text
    with pytest.raises(HubError, match="is no admin"):
        link(api, "provider", opens_dagster=True)
    assert dagster.seen == []


def test_a_browser_sends_the_origin_with_the_forms_of_the_pages(api: Api) -> None:
    """It sends `null` for pages with the policy no-referrer, and none at all is not the default of every browser."""
    assert api.new_client().get(link(api)).headers["referrer-policy"] == "same-origin"


def test_the_pages_allow_their_own_style_and_nothing_else(api: Api) -> None:
    page = api.new_client().get(link(api))
    [style] = re.findall("<style>(.*)</style>", page.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    [policy] = page.headers.get_list("content-security-policy")
    assert f"style-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy


def test_another_sign_in_ends_the_session_of_the_browser(api: Api) -> None:
    browser = signed_in(api)
    first = cookie_of(api, secret_of(api, browser))
    assert use(browser, link(api)).status_code == 303
    assert browser.get("/dagster/").status_code == 200
    assert api.new_client(Cookie=first).get("/dagster/").status_code == 401


def test_two_hubs_of_one_machine_have_cookies_of_their_own() -> None:
    """Browsers send a cookie of 127.0.0.1 to every port."""
    assert len({sessions.cookie_of(Settings(port_api=port)) for port in (8000, 8001)}) == 2


def test_a_front_door_with_an_address_takes_requests_of_this_origin(dagster: Dagster, serve: Serve) -> None:
    public = {"Host": "hub.example.org", "Origin": "https://hub.example.org"}
    with serve(dagster_socket=dagster.socket, public_url="https://hub.example.org") as api:
        browser, path = api.new_client(), link(api)
        for origin in ("http://hub.example.org", "https://hub.example.org:8443", "null"):
            assert use(browser, path, **public | {"Origin": origin}).status_code == 403, origin
        answer = use(browser, path, **public)
        assert answer.status_code == 303
        assert "Secure" in answer.headers["set-cookie"]
        assert use(browser, link(api), Origin=api.url).status_code == 303  # on the machine itself


def test_what_is_no_name_is_refused(api: Api) -> None:
    for headers in ({"Host": "[::1"}, {"Origin": "http://["}):
        assert api.new_client(**headers).post(sign_in.PATH, data={"link": "x"}).status_code == 403, headers


def test_strangers_with_a_cookie_are_limited_before_they_are_looked_up(dagster: Dagster, serve: Serve) -> None:
    with serve(dagster_socket=dagster.socket, rate_limit_address="3/minute") as api:
        forged = api.new_client(Cookie=cookie_of(api, "forged"))
        assert [forged.get("/dagster/x").status_code for _ in range(4)] == [401, 401, 401, 429]
        with pytest.raises(websockets.exceptions.InvalidStatus), opened(api, {}, api.url):
            pass


@pytest.mark.parametrize("who", ["provider", "client"])
def test_dagster_is_for_admins(api: Api, dagster: Dagster, who: str) -> None:
    assert signed_in(api, who).get("/dagster/").status_code == 403
    assert dagster.seen == []


def test_a_foreign_page_cannot_use_the_session_of_its_reader(api: Api, dagster: Dagster) -> None:
    """An image or a link sends GET; a form sends POST with its origin, never JSON; a rebound name comes as Host."""
    browser = signed_in(api)
    assert browser.get(GRAPHQL, params=MUTATION).status_code == 405
    for spelled in (f"{GRAPHQL}/", GRAPHQL.replace("g", "%67")):
        assert browser.get(spelled, params=MUTATION).status_code == 405, spelled
    for path in (f"{GRAPHQL}/.", f"{GRAPHQL}/x/..", "/dagster/x/../graphql"):  # httpx removes the dots of a URL itself
        assert raw_get(api, f"{path}?query=mutation", browser) == 405, path
    for origin in ("https://evil.example", "null", f"{api.url}.evil.example", "http://localhost:1"):
        assert browser.post(GRAPHQL, json=MUTATION, headers={"Origin": origin}).status_code == 403, origin
    del browser.headers["Origin"]
    assert browser.post(GRAPHQL, json=MUTATION).status_code == 403
    browser.headers["Origin"] = api.url
    for content_type in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/graphql",
        "multipart/form-data",
    ):
        sent = browser.post(GRAPHQL, content=b"{}", headers={"Content-Type": content_type})
        assert sent.status_code == 415, content_type
    assert browser.post(f"{GRAPHQL}?query=mutation", content=b"").status_code == 415
    rebound = {"Host": "evil.example:8000", "Origin": "http://evil.example:8000"}
    assert browser.get("/dagster/", headers=rebound).status_code == 403
    assert browser.post(GRAPHQL, json=MUTATION, headers=rebound).status_code == 403
    assert browser.put("/dagster/x").status_code == 405
    assert browser.delete("/dagster/x").status_code == 405
    assert dagster.seen == []


def test_web_sockets_pass_for_sessions_from_own_pages_only(api: Api, dagster: Dagster) -> None:
    cookie = cookie_of(api, secret_of(api, signed_in(api)))
    with opened(api, {"Cookie": cookie}, api.url) as socket:
        assert socket.subprotocol == "graphql-ws"
        socket.send("hello")
        assert socket.recv() == "from Dagster: hello"
    assert dagster.cookies == [None]
    strangers: list[tuple[dict[str, str], str | None]] = [
        ({"Cookie": cookie}, "https://evil.example"),
        ({"Cookie": cookie}, None),
        ({"Cookie": cookie_of(api, "forged")}, api.url),
        ({}, api.url),
        ({"Cookie": cookie_of(api, secret_of(api, signed_in(api, "provider")))}, api.url),
    ]
    for headers, origin in strangers:
        with pytest.raises(websockets.exceptions.InvalidStatus), opened(api, headers, origin):
            pass
    assert dagster.cookies == [None]


def test_a_session_ends_at_once(api: Api, dagster: Dagster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dagster_ui, "SESSION_CHECKED_EVERY_S", 0.05)
    browser = signed_in(api)
    cookie = cookie_of(api, secret_of(api, browser))
    with opened(api, {"Cookie": cookie}, api.url) as socket:
        assert browser.post("/sign-out").status_code == 303
        with pytest.raises(websockets.exceptions.ConnectionClosed):
            socket.recv()
    assert api.new_client(Cookie=cookie).get("/dagster/").status_code == 401
    second = signed_in(api)
    assert second.get("/dagster/").status_code == 200
    api.business.connection.execute("update app.profiles set is_active = false where id = %s", [NORTH.id_of("admin")])
    assert second.get("/dagster/").status_code == 401


def test_the_link_of_the_operator_is_of_no_person(api: Api) -> None:
    with psycopg.connect(api.business.settings.database_url) as owner:
        url = sign_in.operators_link(owner, api.business.settings, at=datetime.now(UTC))
    browser = api.new_client(Origin=api.url)
    assert use(browser, url).status_code == 303
    assert browser.get("/dagster/").status_code == 200
    assert browser.get("/v1/bookings").status_code == 401


def test_a_dagster_that_is_down_is_said_so(serve: Serve, tmp_path: Path) -> None:
    with serve(dagster_socket=str(tmp_path / "nobody")) as api:
        answer = signed_in(api).get("/dagster/")
        assert (answer.status_code, answer.json()["code"]) == (503, "dagster_unavailable")


def test_a_database_that_does_not_answer_is_said_so(
    api: Api, dagster: Dagster, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = signed_in(api)
    monkeypatch.setattr(sessions, "PATIENCE_S", 0.2)
    with api.business.connection.transaction():
        api.business.connection.execute("lock table app.sessions")
        answer = browser.get("/dagster/")
        assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    monkeypatch.undo()
    assert browser.get("/dagster/").status_code == 200


def test_strangers_at_the_dagster_ui_are_limited_by_their_address(dagster: Dagster, serve: Serve) -> None:
    with serve(dagster_socket=dagster.socket, rate_limit_address="8/hour") as api:
        browser, stranger = signed_in(api), api.new_client()
        assert {browser.get("/dagster/x.js").status_code for _ in range(20)} == {200}
        statuses = [stranger.get("/dagster/").status_code for _ in range(9)]
        assert (statuses[0], statuses[-1]) == (401, 429)
