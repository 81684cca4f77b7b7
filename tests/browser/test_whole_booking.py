"""A booking from its request to the paid invoice and the review, by three people in three browsers, live."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import psycopg
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Window
from tests.dashboard.conftest import Pages

pytestmark = pytest.mark.slow

Open = Callable[..., Window]


def act(window: Window, booking: str, action: str, **fields: str) -> None:
    """Take an action of the booking: its button, what it says that happens, and the button that does it."""
    page = window.open(booking)
    page.get_by_label("What you can do").get_by_role("link", name=action, exact=True).click()
    expect(page.get_by_role("heading", name="What happens")).to_be_visible()
    for label, text in fields.items():
        page.get_by_label(label.replace("_", " ")).fill(text)
    page.get_by_role("button", name=action, exact=True).click()
    page.wait_for_url(f"**{booking}")


def test_a_booking_from_request_to_review_by_three_people(pages: Pages, open_window: Open) -> None:  # noqa: PLR0915
    client = open_window(pages, "client@north.example")
    provider = open_window(pages, "provider@north.example")
    admin = open_window(pages, "admin@north.example")
    provider.open("/")
    with psycopg.connect(pages.settings.database_url) as connection:
        zone = connection.execute("select timezone from app.organizations where slug = 'north'").fetchone()
    assert zone

    # The client books; the provider sees it without a reload.
    page = client.open("/bookings/new")
    page.get_by_role("link", name=re.compile("^Book .+")).first.click()
    start = (datetime.now(UTC) + timedelta(hours=5)).astimezone(ZoneInfo(zone[0]))
    page.get_by_label("Start").fill(start.strftime("%Y-%m-%dT%H:00"))
    page.get_by_label("Title").fill("Garden plan")
    provider_options = page.get_by_label("Provider")
    provider_options.select_option(index=1)
    page.get_by_role("button", name="Request the booking").click()
    page.wait_for_url("**/bookings/*-*")
    booking = page.url.removeprefix(pages.url)
    chosen = next(
        window
        for window in (provider, open_window(pages, "provider2@north.example"))
        if window.page.request.get(pages.url + booking).status == 200
    )
    if chosen is provider:
        expect(provider.page.get_by_role("link", name="Garden plan")).to_be_visible()

    # The provider answers; the client, who has the page open, sees it.
    act(chosen, booking, "Approve")
    expect(page.locator("#state")).to_contain_text("Approved")
    act(chosen, booking, "Confirm")
    act(chosen, booking, "Schedule")

    # The work: a milestone with a task, hours by a timer, the client's approval.
    work = chosen.open(booking)
    work.get_by_text("Add a milestone").click()
    work.locator("#title-new").fill("Plan")
    work.get_by_role("button", name="Add the milestone").click()
    expect(work.locator("#work")).to_contain_text("Plan")
    expect(page.locator("#work")).to_contain_text("Plan")
    act(chosen, booking, "Start")
    work = chosen.open(booking)
    work.get_by_role("button", name="Start a timer").click()
    work.get_by_role("button", name="Stop the timer").click()
    work.get_by_role("button", name=re.compile("Start.*Plan")).click()
    work.get_by_role("button", name=re.compile("Submit.*Plan")).click()
    page.get_by_role("button", name=re.compile("Approve.*Plan")).click()  # it came without a reload
    expect(page.locator("#history")).to_contain_text("Delivered")
    act(client, booking, "Accept")

    # Money: the admin issues the invoice, which the client sees; the client pays, and the admin has received it.
    bill = admin.open(booking)
    if not bill.get_by_role("button", name="Issue").count():
        bill.get_by_text("Draft an invoice").click()
        bill.get_by_role("button", name="Final").click()
    bill.get_by_role("button", name="Issue").click()
    page.get_by_text("I have paid").click()
    page.get_by_role("button", name="Tell the provider").click()
    page = admin.open(booking)
    page.get_by_role("button", name="Received").first.click()
    expect(page.locator("#money .badge.good")).to_have_text("Paid")
    expect(client.page.locator("#money .badge.good")).to_have_text("Paid")

    # The review.
    page = client.open(booking)
    page.get_by_label("How was it?").select_option("5")
    page.get_by_role("button", name="Send the review").click()
    expect(page.locator("#review")).to_contain_text("★★★★★")
    assert client.problems + chosen.problems + admin.problems == []
