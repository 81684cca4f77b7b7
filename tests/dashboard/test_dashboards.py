"""Dashboards that people make: saved from the explorer, in an order, shared, and closed to others."""

import re
from collections.abc import Iterator
from uuid import uuid4

import httpx
import psycopg
import pytest

from sources.operations.explorations import Exploration
from sources.operations.saved_views import MOST_TILES
from tests.dashboard.conftest import Pages, send
from tests.sources.business import NORTH

STATE = Exploration(metric="booked_revenue", by="service", compare=["previous"]).address()


@pytest.fixture
def maker(pages: Pages) -> Iterator[httpx.Client]:
    with psycopg.connect(pages.settings.database_url, autocommit=True) as connection:
        connection.execute(
            "insert into app.profiles (id, org_id, email, full_name, role) "
            "values (%s, %s, 'second@north.example', 'Second', 'admin') on conflict do nothing",
            [NORTH.id_of("second"), NORTH.id],
        )
        yield pages.visit("admin@north.example")
        connection.execute("delete from app.saved_views")


def save(browser: httpx.Client, title: str, **fields: str) -> httpx.Response:
    return send(browser, "/dashboards", "/explore", exploration=STATE, title=title, **fields)


def titles(browser: httpx.Client, path: str) -> list[str]:
    return re.findall(r'href="/explore\?metric=booked_revenue[^"]*">([^<]+)</a></h2>', browser.get(path).text)


def tiles_of(pages: Pages) -> list[tuple[str, str]]:
    """Return the ids and the titles of the tiles, in their order."""
    with psycopg.connect(pages.settings.database_url) as connection:
        rows = connection.execute(
            "select tile ->> 'id', tile ->> 'title' from app.saved_views, jsonb_array_elements(tiles) as tile"
        )
        return rows.fetchall()


def test_what_is_saved_becomes_a_tile_that_can_be_moved_and_removed(pages: Pages, maker: httpx.Client) -> None:
    made = save(maker, "First", view_name="Money")
    assert made.status_code == 303, made.text
    path = made.headers["location"]
    assert save(maker, "Second", view_id=path.rpartition("/")[2], size="whole").headers["location"] == path
    assert 'href="/dashboards/' in maker.get("/dashboards").text
    (first, _), (second, _) = tiles_of(pages)
    assert send(maker, path, f"{path}/tiles/{second}/up").headers["location"] == f"{path}#tile-{second}"
    assert [title for _, title in tiles_of(pages)] == ["Second", "First"]
    send(maker, path, f"{path}/tiles/{first}/remove")
    assert [title for _, title in tiles_of(pages)] == ["Second"]
    with psycopg.connect(pages.settings.database_url) as connection:
        row = connection.execute("select tiles -> 0 -> 'exploration' from app.saved_views").fetchone()
    assert row is not None
    assert Exploration.model_validate(row[0]).address() == STATE


def test_a_dashboard_is_read_by_others_only_when_it_is_shared_and_changed_by_its_maker_alone(
    pages: Pages, maker: httpx.Client
) -> None:
    path = save(maker, "Revenue", view_name="Money").headers["location"]
    colleague, stranger = pages.visit("second@north.example"), pages.visit("admin@south.example")
    assert colleague.get(path).status_code == 404
    send(maker, path, path, is_shared="true")
    page = colleague.get(path)
    assert page.status_code == 200
    assert "Money" in colleague.get("/dashboards").text
    assert f'action="{path}' not in page.text
    tile = tiles_of(pages)[0][0]
    for action in (path, f"{path}/delete", f"{path}/tiles/{tile}/remove"):
        assert send(colleague, "/dashboards", action, name="Mine").status_code == 404
        assert send(stranger, "/dashboards", action, name="Mine").status_code == 404
    assert stranger.get(path).status_code == 404
    assert "Money" not in stranger.get("/dashboards").text
    send(maker, path, path, is_shared="false")
    assert colleague.get(path).status_code == 404
    assert send(maker, path, path, name="Tuesday").headers["location"] == path
    assert "<h1>Tuesday</h1>" in maker.get(path).text
    assert send(maker, path, f"{path}/delete").headers["location"] == "/dashboards"
    assert maker.get(path).status_code == 404


def test_what_cannot_be_saved_is_said(pages: Pages, maker: httpx.Client) -> None:
    assert save(maker, "Revenue", view_id=str(uuid4())).status_code == 404
    path = save(maker, "0", view_name="Full").headers["location"]
    view = path.rpartition("/")[2]
    for number in range(1, MOST_TILES):
        assert save(maker, str(number), view_id=view).status_code == 303
    assert len(tiles_of(pages)) == MOST_TILES
    assert send(maker, "/dashboards", "/explore", exploration="metric=", title="x", view_id=view).status_code == 200
    assert len(tiles_of(pages)) == MOST_TILES
    refused = send(maker, "/dashboards", "/dashboards", name=" ")
    assert refused.status_code == 422
    assert maker.post(path, data={"name": "Without a token"}).status_code == 403


@pytest.mark.parametrize("who", ["client", "provider"])
def test_clients_and_providers_have_none(pages: Pages, who: str) -> None:
    browser = pages.visit(f"{who}@north.example")
    for path in ("/explore", "/explore.csv", "/dashboards", f"/dashboards/{uuid4()}"):
        assert browser.get(path).status_code == 403
