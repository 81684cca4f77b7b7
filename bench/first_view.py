"""Bench of the first view: how long an empty browser needs until what it shows of a page is complete, charts included.

    python -m bench.first_view [--bookings 20000]

Measured on a desk without limits, and on a phone with a processor slowed fourfold and a connection of fast 3G, as
Chromium's developer tools define it (1.6 Mbit/s, 150 ms). Needs Chromium or Chrome (or HUB_CHROMIUM).
"""

import argparse
import os
import shutil
import statistics
import sys
from typing import Any, Final

from playwright.sync_api import Browser, sync_playwright
from rich.console import Console
from rich.table import Table

from bench.dashboard import DAYS, hub, sign_in_cookies
from bench.server import serving, temporary_hub
from sources.settings import Settings

PAGES: Final = ("/", "/insights", "/explore", "/forecast", "/bookings", "/providers", "/clients", "/receivables")
TIMES: Final = 5
DESK_S, PHONE_S = 1.0, 2.5
FAST_3G: Final = {
    "offline": False, "latency": 150, "downloadThroughput": 1.6e6 / 8 * 0.9, "uploadThroughput": 750e3 / 8 * 0.9,
}  # fmt: skip
SLOWED: Final = 4
PROGRAMS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
# True once the page has loaded and each chart that is in view is drawn.
COMPLETE: Final = """
document.readyState === "complete" && [...document.querySelectorAll("figure.chart:not([data-drawn])")].every(it => {
    const box = it.getBoundingClientRect();
    return box.top > innerHeight || box.bottom < 0;
})
"""


def main() -> None:
    """Build, measure, print, and exit with 1 where a limit is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bookings", type=int, default=20_000)
    options = parser.parse_args()
    program = os.environ.get("HUB_CHROMIUM") or next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        Console().print("There is no Chromium or Chrome: install one, or name its program in HUB_CHROMIUM.")
        return
    with temporary_hub(api_workers=2, smtp_url="") as settings:
        for command in (["sample", "--bookings", str(options.bookings), "--days", str(DAYS)], ["run"]):
            hub(settings, *command)
        with serving(settings), sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
            cookies = sign_in_cookies(settings)
            found = {path: (_times(browser, settings, cookies, path, is_phone=False),
                            _times(browser, settings, cookies, path, is_phone=True)) for path in PAGES}  # fmt: skip
            browser.close()
    sys.exit(0 if _print(found) else 1)


def _times(browser: Browser, settings: Settings, cookies: dict[str, str], path: str, *, is_phone: bool) -> list[float]:
    return [_first_view_s(browser, settings, cookies, path, is_phone=is_phone) for _ in range(TIMES)]


def _first_view_s(browser: Browser, settings: Settings, cookies: dict[str, str], path: str, *, is_phone: bool) -> float:
    """Return the seconds from the navigation of a browser with an empty cache to the complete first view."""
    base = f"http://127.0.0.1:{settings.port_api}"
    size: Any = {"width": 360, "height": 740} if is_phone else {"width": 1440, "height": 900}
    context = browser.new_context(viewport=size, bypass_csp=True)  # for the condition that Playwright evaluates
    context.add_cookies([{"name": name, "value": value, "url": base} for name, value in cookies.items()])
    page = context.new_page()
    if is_phone:
        tools = context.new_cdp_session(page)
        tools.send("Network.enable")
        tools.send("Network.emulateNetworkConditions", FAST_3G)
        tools.send("Emulation.setCPUThrottlingRate", {"rate": SLOWED})
    page.goto(base + path, wait_until="commit")
    page.wait_for_function(COMPLETE)
    seconds: float = page.evaluate("performance.now()") / 1000
    context.close()
    return seconds


def _print(found: dict[str, tuple[list[float], list[float]]]) -> bool:
    """Print the medians; return True if no limit is exceeded."""
    table = Table("Page", f"desk s (at most {DESK_S})", f"slow phone s (at most {PHONE_S})")
    medians = {path: tuple(map(statistics.median, times)) for path, times in found.items()}
    for path, (desk, phone) in medians.items():
        table.add_row(path, f"{desk:.2f}", f"{phone:.2f}")
    Console().print(table)
    return all(desk <= DESK_S and phone <= PHONE_S for desk, phone in medians.values())


if __name__ == "__main__":
    main()
