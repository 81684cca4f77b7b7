"""An import from the page in a browser: the file, what is rejected, the progress and the result, live."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import expect

from sources.importing import jobs
from tests.browser.conftest import SIZES, Window
from tests.browser.test_every_page import CUT, RULES
from tests.dashboard.conftest import Pages

pytestmark = pytest.mark.slow

ROWS = "Booking,Client,Service,Start,Status,Price\n" + "".join(
    f"L{n},Ann Bell,Massage,2026-11-{n:02} 10:00,completed,80.00\n" for n in range(1, 21)
)
BAD = "L21,Cy Shaw,Yoga,soon,completed,80.00\nL22,Cy Shaw,Yoga,later,completed,80.00\n"


def whole(window: Window) -> None:
    """Check that the page is whole on every size, and in both themes without a barrier."""
    for size in SIZES:
        window.fit(size)
        width = window.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert width[0] <= width[1], (size, width)
        assert window.page.evaluate(CUT) == [], size
    for size, theme in (("phone", "light"), ("desk", "dark")):
        window.fit(size, theme)
        found = Axe().run(window.page, options=RULES)
        assert found.violations_count == 0, found.generate_report()
    window.fit("desk")


def test_an_import_with_rejected_rows(pages: Pages, open_window: Callable[..., Window]) -> None:
    admin = open_window(pages, "admin@north.example")
    page = admin.open("/settings/import")
    page.get_by_label("Files").set_input_files(
        {"name": "export.csv", "mimeType": "text/csv", "buffer": (ROWS + BAD).encode()}
    )
    page.get_by_role("button", name="Check the files").click()
    expect(page.get_by_text("22 rows: 2 would be rejected.")).to_be_visible()
    whole(admin)
    page.get_by_role("button", name="Import 20 rows").click()
    expect(page.get_by_role("status").filter(has_text="The import begins")).to_be_visible()
    whole(admin)

    with jobs.only_importer(pages.settings) as importer:
        assert importer is not None
        assert jobs.import_next(importer, pages.settings, datetime.now(UTC)) is not None
    # Without a reload:
    expect(page.get_by_role("heading", name="What was imported")).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="export.csv, line 22")).to_contain_text("soon")
    whole(admin)
    page.get_by_role("link", name="All imports").click()
    expect(page.get_by_role("row").filter(has_text="export.csv")).to_contain_text("20 new, 0 changed, 2 rejected")
    whole(admin)
    assert admin.problems == []
