"""While the database does not answer, a session sees the pages that it saw last, and nobody else does."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from urllib.parse import urlsplit

import httpx
import pytest

from tests.conftest import execute
from tests.dashboard.conftest import TOKEN, Pages, pages_of, send
from tests.sources.conftest import seeded_settings
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def own_pages(seeded: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    with seeded_settings(seeded, tmp_path_factory.mktemp("hub")) as settings, pages_of(settings) as running:
        yield running


@contextmanager
def no_database(pages: Pages, server: str) -> Iterator[None]:
    name = urlsplit(pages.settings.database_url).path[1:]
    execute(server, f"alter database {name} connection limit 0")
    execute(
        server,
        f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}' and usename = 'hub_api'",
    )
    try:
        yield
    finally:
        execute(server, f"alter database {name} connection limit -1")


def test_the_last_page_is_shown_and_marked(own_pages: Pages, server: str) -> None:
    admin, client = own_pages.visit("admin@north.example"), own_pages.visit("client@north.example")
    seen, form_token = admin.get("/bookings").text, token_of(admin)
    with no_database(own_pages, server):
        answer = admin.get("/bookings")
        assert answer.status_code == 200
        assert "The database does not answer. This is the page as it was at" in answer.text
        assert seen.split("<main")[1].split("</h1>")[1].strip()[:200] in answer.text
        for browser, path in ((admin, "/insights"), (client, "/bookings"), (httpx.Client(base_url=own_pages.url), "/")):
            assert "as it was at" not in browser.get(path).text
        assert admin.post("/dashboards", data={"form_token": form_token, "name": "Mine"}).status_code == 503
    wait_until(lambda: admin.get("/bookings").status_code == 200)
    assert "as it was at" not in admin.get("/bookings").text


def token_of(browser: httpx.Client) -> str:
    found = TOKEN.search(browser.get("/dashboards").text)
    assert found
    return found[1]


def test_who_has_lost_access_sees_no_last_page(own_pages: Pages, server: str) -> None:
    here, elsewhere = own_pages.visit("provider@north.example"), own_pages.visit("provider@north.example")
    assert elsewhere.get("/bookings").status_code == 200
    is_forgotten = Event()
    own_pages.state.on_access_change.append(is_forgotten.set)  # the last of the functions
    page = here.get("/account").text
    ends = [part.split('"')[0] for part in page.split('action="/account/sessions/')[1:]]
    for end in ends:
        assert send(here, "/account", f"/account/sessions/{end}").status_code == 303
    wait_until(is_forgotten.is_set)
    with no_database(own_pages, server):
        assert elsewhere.get("/bookings").status_code == 503
