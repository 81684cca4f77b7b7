"""Links by mail, and one's own sessions."""

import re
from collections.abc import Iterator

import httpx
import pytest
from pydantic import SecretStr

from tests.dashboard.conftest import Pages, pages_of, send
from tests.notifications.servers import MailServer, mail_server
from tests.sources.conftest import seeded_settings
from tests.waiting import wait_until

LINK = re.compile(r"https?://[^\s\"<>]+/(sign-in\?link=[^\s\"<>]+)")


@pytest.fixture(scope="module")
def mail() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


@pytest.fixture(scope="module")
def pages(seeded: str, tmp_path_factory: pytest.TempPathFactory, mail: MailServer) -> Iterator[Pages]:
    with (
        seeded_settings(seeded, tmp_path_factory.mktemp("hub")) as settings,
        pages_of(settings.model_copy(update={"smtp_url": SecretStr(mail.url)})) as running,
    ):
        yield running


def ask(pages: Pages, email: str, next_page: str = "/") -> httpx.Response:
    fields = {"email": email, "next": next_page}
    return httpx.post(f"{pages.url}/sign-in/mail", data=fields, headers={"origin": pages.url})


def test_a_link_comes_by_mail_and_leads_to_the_page(pages: Pages, mail: MailServer) -> None:
    known, unknown = ask(pages, "Admin@north.example", "/bookings"), ask(pages, "nobody@north.example")
    assert (known.status_code, known.headers["location"]) == (unknown.status_code, unknown.headers["location"])
    wait_until(lambda: len(mail.mails) == 1)
    text = mail.mails[0].get_body(("plain",))
    assert text is not None
    found = LINK.search(text.get_content())
    assert found, text.get_content()
    browser = httpx.Client(base_url=pages.url, headers={"origin": pages.url})
    page = browser.get(f"/{found[1]}").text
    assert 'name="next" value="/bookings"' in page
    token = re.search(r'name="link" value="([^"]+)"', page)
    assert token
    answer = browser.post("/sign-in", data={"link": token[1], "next": "/bookings"})
    assert answer.headers["location"] == "/bookings"
    assert browser.get("/account").status_code == 200


def test_nobody_fills_a_mailbox(pages: Pages, mail: MailServer) -> None:
    before = len(mail.mails)
    for _ in range(6):
        ask(pages, "client@north.example")
    ask(pages, "client2@north.example")  # the answers come in order: after this one's mail no other follows
    wait_until(lambda: any("client2@" in str(sent["To"]) for sent in mail.mails))
    assert len([sent for sent in mail.mails[before:] if str(sent["To"]) == "client@north.example"]) <= 3


def test_only_a_page_of_the_hub_asks_for_a_mail(pages: Pages) -> None:
    answer = httpx.post(f"{pages.url}/sign-in/mail", data={"email": "x"}, headers={"origin": "https://evil.example"})
    assert answer.status_code == 403


def test_a_person_ends_a_session_elsewhere_and_only_their_own(pages: Pages) -> None:
    here, elsewhere = pages.visit("provider@north.example"), pages.visit("provider@north.example")
    other, _ = pages.visit("provider2@north.example"), pages.visit("provider2@north.example")
    listed = re.findall(r"/account/sessions/([0-9a-f-]{36})/end", here.get("/account").text)
    assert listed
    assert send(other, "/account", f"/account/sessions/{listed[0]}/end").status_code == 404
    for session in listed:
        assert send(here, "/account", f"/account/sessions/{session}/end").status_code == 303
    assert elsewhere.get("/account").headers["location"].startswith("/sign-in")
    assert here.get("/account").status_code == 200
