"""Dashboards that are sent: the form on their page, who may use it, and the mail with the figures of the page."""

import html
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from psycopg.types.json import Jsonb
from pydantic import SecretStr

from notifications.channel_admin import add_channel
from notifications.delivery_ledger import enqueue_digests
from notifications.messages import Chart, Message
from notifications.rendering import message_for
from notifications.sending import deliver_due
from sources.operations.explorations import Exploration
from sources.operations.saved_views import Tile
from tests.conftest import SAMPLE_DAY
from tests.dashboard.conftest import Pages, admin_of, send, words_of
from tests.notifications.servers import mail_server
from tests.sources.business import NORTH, SOUTH

VIEW, SLUG = uuid4(), "estudio-meridiano"
TILES = [
    Tile(id=uuid4(), title=title, size="half", exploration=exploration)
    for title, exploration in (
        ("Revenue of the week", Exploration(compare=["previous", "year_ago"])),
        ("Bookings by service", Exploration(metric="bookings_created", by="service", grain="month", period="12m")),
        ("Gone", Exploration(metric="no_such_metric")),
    )
]


def keep_view(connection: psycopg.Connection, org_id: UUID, profile_id: UUID) -> None:
    """Insert a shared dashboard, which is not sent."""
    connection.execute(
        "insert into app.saved_views (id, org_id, profile_id, name, is_shared, tiles) "
        "values (%s, %s, %s, 'Money', true, %s)",
        [VIEW, org_id, profile_id, Jsonb([tile.model_dump(mode="json") for tile in TILES])],
    )


@pytest.fixture
def owner(pages: Pages) -> Iterator[psycopg.Connection]:
    """A connection to the seeded business, in which there are channels and a shared dashboard of the admin of north."""
    with psycopg.connect(pages.settings.database_url, autocommit=True) as connection:
        keep_view(connection, NORTH.id, NORTH.admin)
        yield connection
        connection.execute("delete from app.saved_views")
        connection.execute("delete from app.notification_channels")


def sent_to(connection: psycopg.Connection) -> list[tuple[UUID | None, str]]:
    return connection.execute("select sent_to, sent_every from app.saved_views").fetchall()


def choose(browser: httpx.Client, channel: object, every: str = "day") -> httpx.Response:
    return send(browser, f"/dashboards/{VIEW}", f"/dashboards/{VIEW}/sending", sent_to=channel, sent_every=every)


def test_an_admin_sends_a_dashboard_and_the_page_says_to_whom(pages: Pages, owner: psycopg.Connection) -> None:
    admin, path = pages.visit("admin@north.example"), f"/dashboards/{VIEW}"
    assert 'href="/settings/channels">channel</a>' in admin.get(path).text
    channel = add_channel(owner, NORTH.id, name="Board", kind="email", target="a@b.org")
    assert "Board, email to a@b.org" in admin.get(path).text
    assert choose(admin, channel).headers["location"] == path
    assert sent_to(owner) == [(channel, "day")]
    assert "sent every day to Board" in words_of(admin.get(path).text)
    owner.execute("update app.notification_channels set is_active = false")
    assert "The channel Board is paused" in admin.get(path).text
    owner.execute("update app.notification_channels set removed_at = now()")
    assert "The channel was removed" in admin.get(path).text
    owner.execute("update app.notification_channels set removed_at = null, is_active = true")
    send(admin, path, path, name="Renamed")
    assert sent_to(owner) == [(channel, "day")]
    send(admin, path, path, is_shared="false")
    assert sent_to(owner) == [(None, "day")]
    assert "Share it, and it can be sent" in admin.get(path).text


def test_a_dashboard_is_sent_to_channels_of_the_organisation_by_its_admins_when_it_is_shared(
    pages: Pages, owner: psycopg.Connection
) -> None:
    own = add_channel(owner, NORTH.id, name="Board", kind="email", target="a@b.org")
    foreign = add_channel(owner, SOUTH.id, name="Theirs", kind="email", target="x@y.org")
    admin, analyst = pages.visit("admin@north.example"), pages.visit("analyst@north.example")
    for channel in (foreign, uuid4()):
        refused = choose(admin, channel)
        assert (refused.status_code, "There is no such channel." in refused.text) == (422, True)
    assert "Theirs" not in admin.get(f"/dashboards/{VIEW}").text
    assert send(pages.visit("admin@south.example"), "/dashboards", f"/dashboards/{VIEW}/sending").status_code == 404
    assert send(analyst, "/dashboards", f"/dashboards/{VIEW}/sending", sent_to=own).status_code in (403, 422)
    owner.execute("update app.saved_views set is_shared = false")
    assert "Only a dashboard that is shared" in choose(admin, own).text
    owner.execute("update app.saved_views set profile_id = %s, is_shared = true", [NORTH.analyst])
    page = analyst.get(f"/dashboards/{VIEW}").text
    assert f'action="/dashboards/{VIEW}"' in page
    assert "/sending" not in page
    refused = send(analyst, f"/dashboards/{VIEW}", f"/dashboards/{VIEW}/sending", sent_to=own)
    assert (refused.status_code, "for admins only" in refused.text) == (422, True)
    assert sent_to(owner) == [(None, "week")]


@pytest.fixture
def sample(sample_pages: Pages) -> Iterator[psycopg.Connection]:
    """A connection to the sample business, in which a dashboard is sent each day until the test ends."""
    org_id, email = admin_of(sample_pages, SLUG)
    with psycopg.connect(sample_pages.settings.database_url, autocommit=True) as connection:
        row = connection.execute("select id from app.profiles where email = %s", [email]).fetchone()
        assert row
        channel = add_channel(
            connection, UUID(org_id), name="Board", kind="email", target="a@b.org", sends_digest=False,
            sends_insights=False,
        )  # fmt: skip
        keep_view(connection, UUID(org_id), row[0])
        connection.execute("update app.saved_views set sent_to = %s, sent_every = 'day' where id = %s", [channel, VIEW])
        yield connection
        connection.execute("delete from app.saved_views where id = %s", [VIEW])
        connection.execute("delete from app.notification_channels where id = %s", [channel])


def test_the_mail_has_the_figures_and_the_charts_of_the_page(sample_pages: Pages, sample: psycopg.Connection) -> None:
    org_id, email = admin_of(sample_pages, SLUG)
    page = sample_pages.visit(email, SLUG).get(f"/dashboards/{VIEW}").text
    messages: list[Message] = []

    def render(*of: Any) -> Message:
        messages.append(message_for(*of))
        return messages[-1]

    with mail_server() as mail:
        settings = sample_pages.settings.model_copy(update={"smtp_url": SecretStr(mail.url)})
        assert enqueue_digests(sample, UUID(org_id), SAMPLE_DAY, now=datetime.now(UTC)) == 1
        report = deliver_due(settings, now=lambda: datetime.now(UTC), render=render)
    assert [(each.recipient, each.occasion, each.outcome, each.detail) for each in report.attempts] == [
        ("a@b.org", "dashboard", "sent", None)
    ]
    (received,) = mail.mails
    assert received["Subject"] == "Estudio Meridiano: Money, Tuesday, 30 June 2026"
    assert sum(part.get_content_type() == "image/png" for part in received.walk()) == 2
    drawn = [json.loads(spec) for spec in re.findall(r'<script type="application/json">(.*?)</script>', page)]
    assert [json.loads(block.spec) for block in messages[0].blocks if isinstance(block, Chart)] == drawn
    part = received.get_body(("plain",))
    assert part is not None
    written = " ".join(part.get_content().split())
    (name, value), compared = (
        re.findall(r'class="name">([^<]*)</span><span class="value">([^<]*)<', page)[0],
        re.findall(r"<li[^>]*>([^<]*)</li>", page[page.index('<ul class="compared">') :])[:2],
    )
    assert " ".join(f"{name} {value}; {'; '.join(map(html.unescape, compared))}".split()) in written
    assert "There is no metric 'no_such_metric'." in written
    assert f"Open the dashboard: {settings.link_base}/dashboards/{VIEW}" in written
