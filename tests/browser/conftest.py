"""A real browser: the machine's Chromium or Chrome, or HUB_CHROMIUM. Without one the tests are skipped."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from tests.dashboard.conftest import Pages, pages, sample_pages
from tests.waiting import PATIENCE_S

__all__ = ["pages", "sample_pages"]

PROGRAMS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
QUIET: Final = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip
SIZES: Final = {"phone": (360, 740), "tablet": (768, 1024), "desk": (1440, 900)}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser of a module: while it is open, its event loop runs in the thread of the tests."""
    program = os.environ.get("HUB_CHROMIUM") or next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip("There is no Chromium or Chrome; install one, or name its program in HUB_CHROMIUM.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(QUIET))
        yield browser
        browser.close()


class Window:
    """A browser of one person. `problems`: errors and warnings of its console, and requests that failed."""

    def __init__(self, context: BrowserContext, served: Pages) -> None:
        self.url = served.url
        self.context = context
        self.page: Page = context.new_page()
        self.problems: list[str] = []
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.problems.append(f"{self.page.url}: {error}"))

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(f"{self.page.url}: {message.text}")

    def open(self, path: str) -> Page:
        """Open `path` and wait until the page and its charts are drawn."""
        answer = self.page.goto(self.url + path)
        assert answer is not None
        assert answer.status < 400, f"{path}: {answer.status} {self.page.inner_text('main')}"
        self.draw()
        return self.page

    def draw(self) -> None:
        """Wait until every chart of the page is drawn."""
        self.page.evaluate("document.querySelectorAll('figure.chart').forEach(chart => chart.scrollIntoView())")
        expect(self.page.locator("figure.chart:not([data-drawn])")).to_have_count(0, timeout=PATIENCE_S * 1000)
        self.page.evaluate("scrollTo(0, 0)")

    def fit(self, size: str, theme: str = "light") -> None:
        """Set the size of the window and the theme."""
        width, height = SIZES[size]
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]

    def tab_to(self, selector: str, *, steps: int = 60) -> None:
        """Press Tab until what `selector` finds has the focus, which has to be seen."""
        for _ in range(steps):
            self.page.keyboard.press("Tab")
            if self.page.evaluate("selector => document.activeElement.matches(selector)", selector):
                outline = self.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
                assert outline != "none", f"the focus on {selector} is not seen"
                return
        raise AssertionError(f"Tab does not lead to {selector}")

    def sign_in(self, link: str) -> None:
        """Open a one-time link and press its button."""
        self.page.goto(f"{self.url}/{link.partition('://')[2].partition('/')[2]}")
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_load_state()


@pytest.fixture
def open_window(chromium: Browser) -> Iterator[Callable[..., Window]]:
    """`open_window(pages, "admin@north.example")` opens a browser in which the person has signed in."""
    with ExitStack() as opened:

        def open_one(served: Pages, email: str | None = None, slug: str | None = None, **options: Any) -> Window:
            context = chromium.new_context(viewport={"width": 1440, "height": 900}, **options)
            context.set_default_timeout(PATIENCE_S * 1000)
            opened.callback(context.close)
            window = Window(context, served)
            if email:
                window.sign_in(served.link(email, slug))
            return window

        yield open_one


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Page, str], None]:
    """`screenshots(page, name)` keeps a picture of the page in HUB_SCREENSHOTS, or in the folder of the test."""
    named = os.environ.get("HUB_SCREENSHOTS")
    folder = Path(named) if named else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)

    def keep(page: Page, name: str) -> None:
        file = f"{re.sub(r'[^a-z0-9-]+', '-', name.lower()).strip('-')}.png"
        page.screenshot(path=folder / file, full_page=True)

    return keep
