"""By the keyboard alone: a person signs in, books, looks at what an action would do, and takes it."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Window
from tests.dashboard.conftest import Pages

pytestmark = pytest.mark.slow


def test_a_client_signs_in_books_and_cancels(pages: Pages, open_window: Callable[..., Window]) -> None:
    window = open_window(pages)
    page, keyboard = window.page, window.page.keyboard
    page.goto(f"{pages.url}/{pages.link('client@north.example').partition('://')[2].partition('/')[2]}")
    expect(page.get_by_role("button", name="Sign in")).to_be_focused()
    keyboard.press("Enter")
    page.wait_for_url(f"{pages.url}/")

    keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the page")).to_be_focused()
    keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()

    window.tab_to("a[href='/bookings/new']")
    keyboard.press("Enter")
    page.wait_for_url("**/bookings/new")
    window.tab_to("a[href^='/bookings/new?service=']")
    keyboard.press("Enter")
    page.wait_for_url("**/bookings/new?service=*")
    window.tab_to("#field-title")
    keyboard.type("By keyboard")
    window.tab_to("main button.primary")
    keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/bookings/[0-9a-f-]{36}$"))
    booking = page.url

    window.tab_to(f"a[href='{booking.removeprefix(pages.url)}/actions/cancel']")
    keyboard.press("Enter")
    expect(page.get_by_role("heading", name="What happens")).to_be_visible()
    window.tab_to("main textarea, main input[name=reason]")
    keyboard.type("No time")
    window.tab_to("main form button")
    keyboard.press("Enter")
    page.wait_for_url(booking)
    expect(page.locator("#state")).to_contain_text("Cancelled")
    assert window.problems == []
