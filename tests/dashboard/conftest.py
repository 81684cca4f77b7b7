"""The pages for tests: `pages` over the seeded business, `sample_pages` over the built sample business."""

import html
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

import httpx
import psycopg
import pytest
from psycopg.rows import dict_row

from dashboard.app import create_app
from sources import sign_in
from sources.settings import Settings
from tests.sources.api.conftest import Api, served
from tests.sources.conftest import seeded_settings

TOKEN: Final = re.compile(r'name="form_token" value="([0-9a-f]+)"')
ADMINS: Final = {
    "estudio-meridiano": "EUR",
    "harbor-and-pine": "USD",
}  # the sample's organisations, with their currency
_ROW, _CELL, _TAG = (
    re.compile(pattern, re.DOTALL) for pattern in (r"<tr>(.*?)</tr>", r"<t[hd][ >].*?</t[hd]>", r"<[^>]*>")
)


class Pages:
    """A running Hub with its pages."""

    def __init__(self, api: Api) -> None:
        self.url = api.url
        self.settings = api.business.settings
        self.state = api.server.config.app.state  # type: ignore[union-attr]  # of the application
        self._api = api

    def link(self, email: str, slug: str | None = None) -> str:
        """Return the one-time link of a person."""
        with psycopg.connect(self.settings.database_url) as connection:
            return sign_in.link_of(connection, self.settings, email=email, slug=slug, at=datetime.now(UTC))

    def operators_link(self) -> str:
        with psycopg.connect(self.settings.database_url) as connection:
            return sign_in.operators_link(connection, self.settings, at=datetime.now(UTC))

    def browser(self, link: str) -> httpx.Client:
        """Return an HTTP client that has signed in with a one-time link; it does not follow redirections."""
        browser = self._api.new_client(Origin=self.url)
        answer = browser.post(sign_in.PATH, data={"link": link.rpartition("link=")[2]})
        assert answer.status_code == 303, answer.text
        return browser

    def visit(self, email: str, slug: str | None = None) -> httpx.Client:
        """Return an HTTP client that has signed in as a person, e.g. admin@north.example."""
        return self.browser(self.link(email, slug))


def send(browser: httpx.Client, page: str, action: str, **fields: object) -> httpx.Response:
    """Open `page`, take the token of its forms, and send the form of `action` with these fields."""
    token = TOKEN.search(browser.get(page).text)
    assert token, f"{page} has no form"
    return browser.post(action, data={"form_token": token[1], **fields})


def admin_of(pages: Pages, slug: str) -> tuple[str, str]:
    """Return the id of an organisation and the address of its first admin."""
    rows = rows_of(
        pages,
        "select o.id::text, p.email from app.profiles as p inner join app.organizations as o on o.id = p.org_id "
        "where o.slug = %s and p.role = 'admin' order by p.id limit 1",
        slug,
    )
    return rows[0]["id"], rows[0]["email"]


def rows_of(pages: Pages, query: str, *values: object) -> list[dict[str, Any]]:
    """Return the rows of a query as the owner of the database, without row security."""
    with psycopg.connect(pages.settings.database_url, row_factory=dict_row) as connection:
        return connection.execute(query.encode(), values).fetchall()


def words_of(part: str) -> str:
    """Return the text of a part of a page, in one line."""
    return " ".join(html.unescape(_TAG.sub(" ", part)).split())


def table_after(page: str, mark: str) -> list[list[str]]:
    """Return the cells of the body of the first table after `mark`, row by row."""
    table = page[page.index("<tbody>", page.index(mark)) :]
    rows = _ROW.findall(table[: table.index("</tbody>")])
    return [[words_of(cell) for cell in _CELL.findall(row)] for row in rows]


@contextmanager
def pages_of(settings: Settings) -> Iterator[Pages]:
    """Serve the pages with these settings."""
    limits = {"rate_limit": "1000000/minute", "rate_limit_address": "1000000/minute"}
    with served(settings.model_copy(update=limits), create_app) as api:
        yield Pages(api)


@pytest.fixture(scope="module")
def pages(seeded: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    """The pages over the seeded business, without marts: the tests of a module may add to it."""
    with seeded_settings(seeded, tmp_path_factory.mktemp("hub")) as settings, pages_of(settings) as running:
        yield running


@pytest.fixture(scope="session")
def sample_pages(sample_hub: Settings) -> Iterator[Pages]:
    """The pages over the built sample business, whose rows the tests leave as they are."""
    with pages_of(sample_hub) as running:
        yield running
