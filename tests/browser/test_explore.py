"""The explorer and dashboards in a browser: by the keyboard alone, shared by two people, and without JavaScript."""

from collections.abc import Callable

import psycopg
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Window
from tests.dashboard.conftest import Pages

pytestmark = pytest.mark.slow

SLUG = "estudio-meridiano"


def admins_of(pages: Pages) -> list[str]:
    with psycopg.connect(pages.settings.database_url) as connection:
        rows = connection.execute(
            "select p.email from app.profiles as p inner join app.organizations as o on o.id = p.org_id "
            "where o.slug = %s and p.role = 'admin' order by p.id",
            [SLUG],
        )
        return [email for (email,) in rows]


def settle(page: Page) -> None:
    """Wait until htmx has put what it read into the page: keys pressed before may get lost with the old part."""
    expect(page.locator(".htmx-request, .htmx-swapping, .htmx-settling, .htmx-added")).to_have_count(0)


def test_what_is_explored_by_keyboard_is_saved_shared_and_opened_by_another(
    sample_pages: Pages, open_window: Callable[..., Window]
) -> None:
    maker, colleague = admins_of(sample_pages)[:2]
    window, other = open_window(sample_pages, maker, SLUG), open_window(sample_pages, colleague, SLUG)
    page = window.open("/explore")
    window.tab_to("#metric")
    page.keyboard.type("Booked rev")
    page.wait_for_url("**metric=booked_revenue**")
    settle(page)
    window.tab_to("#by")
    page.keyboard.type("Serv")
    page.wait_for_url("**by=service**")
    settle(page)
    window.tab_to("#save > summary")
    page.keyboard.press("Enter")
    window.tab_to("#field-title")
    page.keyboard.press("Control+A")
    page.keyboard.type("What sells")
    window.tab_to("#save button")
    page.keyboard.press("Enter")
    page.wait_for_url("**/dashboards/*")
    window.draw()
    address = page.url.removeprefix(sample_pages.url)
    drawn = page.get_by_role("region", name="What sells").locator("svg text", has_text="Design review")
    assert drawn.count() > 0

    answer = other.page.goto(sample_pages.url + address)
    assert answer
    assert answer.status == 404
    window.tab_to("details.card > summary")
    page.keyboard.press("Enter")
    window.tab_to("input[name=is_shared] + button")
    page.keyboard.press("Enter")
    page.get_by_text("Shared with everyone who sees the figures.").wait_for()
    assert other.open(address).get_by_role("heading", name="What sells").is_visible()
    assert other.page.get_by_role("button", name="Remove").count() == 0

    page.get_by_text("Name, sharing, sending and deletion").click()
    page.get_by_role("button", name="Delete the dashboard").click()
    page.get_by_text("Deleted.").wait_for()
    assert window.problems == []


def test_without_javascript_the_figures_are_there_and_the_form_works(
    sample_pages: Pages, open_window: Callable[..., Window]
) -> None:
    window = open_window(sample_pages, admins_of(sample_pages)[0], SLUG, java_script_enabled=False)
    page = window.page
    page.goto(f"{sample_pages.url}/explore")
    page.get_by_label("Metric").select_option("bookings_created")
    page.get_by_label("Each").select_option("month")
    page.get_by_label("Of", exact=True).select_option("12m")
    page.get_by_role("button", name="Show").click()
    rows = page.locator("table tbody tr")
    assert rows.count() == 12
    rows.first.get_by_role("link", name="June 2026").click()
    assert page.locator("table tbody tr").count() == 30
    assert page.get_by_label("Each").input_value() == "day"
