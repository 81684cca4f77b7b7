"""Every page, as each role, on each size, light and dark: no error, nothing cut, and no barrier (WCAG 2.2 A and AA).

The pages are those that the links lead to, from the start page on; of pages of one kind the first.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import urlsplit

import psycopg
import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Page

from tests.browser.conftest import SIZES, Window
from tests.dashboard.conftest import Pages

pytestmark = pytest.mark.slow

ROLES: Final = ("admin", "provider", "client")
RULES: Final = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
CONTRAST: Final = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
ELSEWHERE: Final = re.compile(r"^/(assets|docs|v1|dagster|sign-out|live)\b|\.(csv|json|pdf|html)(\?|$)")

# Text that its box cuts off: overflow hidden, and more inside than is shown.
CUT: Final = """
[...document.querySelectorAll("main *, .side *")].filter(it => {
    const style = getComputedStyle(it);
    return it.childElementCount === 0 && it.textContent.trim() && style.overflowX !== "visible"
        && style.clipPath === "none" && it.scrollWidth > it.clientWidth + 1 && !it.closest(".scroll, select, textarea");
}).map(it => it.outerHTML.slice(0, 160))
"""


def busiest(pages: Pages, role: str) -> tuple[str, str]:
    """Return the address and the organisation of the person of this role who has the most bookings."""
    column = "booking.client_id" if role == "client" else "booking.provider_id"
    with psycopg.connect(pages.settings.database_url) as connection:
        row = connection.execute(
            f"""
            select person.email, organization.slug
            from app.profiles as person
            inner join app.organizations as organization on organization.id = person.org_id
            left join app.bookings as booking on {column} = person.id
            where person.role = %s and person.email is not null and person.is_active
            group by person.id, person.email, organization.slug
            order by count(booking.id) desc, person.id
            limit 1
            """,
            [role],
        ).fetchone()
    assert row
    return row[0], row[1]


def kind_of(path: str) -> str:
    """Return the path with its ids and the values of its query left out."""
    parts = urlsplit(path)
    return UUID.sub("ID", parts.path)


def every_page(window: Window) -> Iterator[tuple[str, Page]]:
    """Open each page that a link leads to, and yield its kind."""
    waiting, known = ["/"], {"/"}
    while waiting:
        path = waiting.pop(0)
        page = window.open(path)
        yield kind_of(path), page
        links = page.eval_on_selector_all("a[href]", "links => links.map(it => it.getAttribute('href'))")
        for link in links:
            if link.startswith("/") and not ELSEWHERE.search(link) and kind_of(link) not in known:
                known.add(kind_of(link))
                waiting.append(link.partition("#")[0])


@pytest.mark.parametrize("role", ROLES)
def test_every_page_is_whole_on_every_size_and_theme(
    sample_pages: Pages,
    role: str,
    open_window: Callable[..., Window],
    screenshots: Callable[[Page, str], None],
) -> None:
    window = open_window(sample_pages, *busiest(sample_pages, role))
    wrong, axe = [], Axe()
    for kind, page in every_page(window):
        for size in SIZES:
            window.fit(size)
            too_wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
            wrong += [f"{kind} scrolls sideways on a {size}"] if too_wide else []
            wrong += [f"{kind} cuts on a {size}: {text}" for text in page.evaluate(CUT)]
            if size != "tablet":
                screenshots(page, f"{role} {kind} {size}")
        for theme, rules in (("light", RULES), ("dark", CONTRAST)):  # a theme changes nothing but colours
            window.fit("desk", theme)
            found = axe.run(page, options=rules).response["violations"]
            wrong += [
                f"{kind} {theme}: {it['id']}: {it['nodes'][0]['html'][:200]} {it['nodes'][0]['failureSummary'][:300]}"
                for it in found
            ]
        window.fit("desk")
    assert wrong == []
    assert window.problems == []
