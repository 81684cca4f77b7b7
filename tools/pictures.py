"""The pictures of the guides, taken from a running Hub: make pictures (needs Chromium; `make up` in another shell).

Example: python -m tools.pictures --chromium /usr/bin/chromium --org estudio-meridiano
"""

import argparse
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Page, sync_playwright

from sources import database, sign_in
from sources.settings import DAGSTER_PATH, get_settings

PICTURES: Final = Path(__file__).parent.parent / "docs" / "pictures"
QUIET: Final = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
GRAPH_DRAWN_MS: Final = 40_000  # the graph is laid out in the page, after its data have come
DESK, PHONE = (1440, 1000), (390, 844)
_ADMIN: Final = """
select profiles.email from app.profiles as profiles
inner join app.organizations as organizations on organizations.id = profiles.org_id
where organizations.slug = %s and profiles.role = 'admin' and profiles.is_active and profiles.email is not null
order by profiles.full_name limit 1
"""
_LARGEST_INSIGHT: Final = """
select insights.id from app.insight_events as insights
inner join app.organizations as organizations on organizations.id = insights.org_id
where organizations.slug = %s and insights.status = 'open'
order by abs(insights.impact) desc nulls last limit 1
"""


def shoot(browser: Browser, url: str, name: str, size: tuple[int, int]) -> None:
    """Write docs/pictures/`name` as a page that needs no session looks in a window of this size."""
    page = browser.new_page(viewport={"width": size[0], "height": size[1]})
    page.goto(url)
    page.screenshot(path=PICTURES / name)
    page.close()


def signed_in(browser: Browser, org: str) -> tuple[Page, str | None]:
    """Return a page in which an admin of the organisation has signed in as people do, and the largest open insight."""
    settings = get_settings()
    with database.connect(database.database_url(settings)) as connection:
        [email] = connection.execute(_ADMIN, [org]).fetchone() or [None]
        if email is None:
            raise SystemExit(f"The organisation {org} has no admin with an address.")
        now = datetime.now(UTC)
        link = sign_in.link_of(connection, settings, email=email, slug=org, at=now, opens_dagster=True)
        insight = connection.execute(_LARGEST_INSIGHT, [org]).fetchone()
    page = browser.new_page(base_url=settings.link_base)
    page.goto(link)
    page.get_by_role("button", name="Sign in").click()
    return page, str(insight[0]) if insight else None


def shoot_page(page: Page, path: str, name: str, size: tuple[int, int]) -> None:
    """Write docs/pictures/`name`, of a page of the dashboard with its charts."""
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.goto(path)
    for chart in page.locator("figure.chart").all():
        chart.scroll_into_view_if_needed()
    page.locator("figure.chart:not([data-drawn])").first.wait_for(state="detached")
    page.evaluate("scrollTo(0, 0)")
    page.screenshot(path=PICTURES / name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chromium", default="/usr/bin/chromium", help="the browser's program")
    parser.add_argument("--org", required=True, help="slug of the organisation that is shown")
    arguments = parser.parse_args()
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=arguments.chromium, args=list(QUIET))
        digest = Path(folder) / "digest.html"
        subprocess.run(["hub", "digest", "--org", arguments.org, "--html", str(digest)], check=True)
        shoot(browser, digest.as_uri(), "digest.png", (900, 1500))
        shoot(browser, digest.as_uri(), "digest-phone.png", (500, 1100))
        page, insight = signed_in(browser, arguments.org)
        shoot_page(page, "/", "overview.png", DESK)
        shoot_page(page, "/", "overview-phone.png", PHONE)
        shoot_page(
            page, "/explore?metric=booked_revenue&grain=month&compare=previous&compare=year_ago", "explore.png", DESK
        )
        if insight:
            shoot_page(page, f"/insights/{insight}", "insight.png", DESK)
        page.set_viewport_size({"width": 1500, "height": 640})
        page.goto(f"{DAGSTER_PATH}/asset-groups")
        page.wait_for_timeout(GRAPH_DRAWN_MS)
        page.screenshot(path=PICTURES / "graph.png")
        browser.close()


if __name__ == "__main__":
    main()
