"""The check of an export: what it reads, what it rejects, and who may send files."""

import asyncio
import html
from typing import Any

import httpx
import pytest

from dashboard import import_checks
from dashboard.routes import imports
from sources.api.middleware import MAX_BODY_BYTES
from tests.dashboard.conftest import TOKEN, Pages, rows_of, send, table_after, words_of

HEADER = "Booking,Client,Service,Start,Status,Price\n"
GOOD = "".join(f"B{n},Ann Bell,Massage,2026-11-{n:02} 10:00,completed,80.00\n" for n in range(1, 21))
BAD = "B21,Cy Shaw,Yoga,soon,completed,80.00\nB22,Cy Shaw,Yoga,later,completed,80.00\n"


@pytest.fixture(scope="module")
def admin(pages: Pages) -> httpx.Client:
    return pages.visit("admin@north.example")


def check(browser: httpx.Client, name: str, content: bytes | str) -> httpx.Response:
    """Send a file, and return the page of what was found, or of why it was not accepted."""
    token = TOKEN.search(browser.get(imports.PATH).text)
    assert token
    data = {"form_token": token[1], "like": ""}
    answer = browser.post(imports.PATH, data=data, files={"files": (name, content)}, timeout=60)
    return browser.get(answer.headers["location"]) if answer.status_code == 303 else answer


def check_again(browser: httpx.Client, page: httpx.Response, mapping: str) -> httpx.Response:
    """Check the files of a page with another mapping."""
    path = page.url.path
    answer = send(browser, path, path, decision="check", mapping=mapping)
    assert (answer.status_code, answer.headers["location"]) == (303, path)
    return browser.get(path)


def mapping_of(page: str) -> str:
    return page.partition("<textarea")[2].partition(">")[2].partition("</textarea>")[0]


def test_an_export_is_read_and_each_bad_row_has_its_sentence(pages: Pages, admin: httpx.Client) -> None:
    count = "select count(*) from app.bookings union all select count(*) from app.import_rejections"
    before = rows_of(pages, count)
    answer = check(admin, "../../export.csv", HEADER + GOOD + BAD)
    assert answer.status_code == 200, answer.text
    assert "22 rows: 2 would be rejected." in words_of(answer.text)
    assert [(row[0], *row[2:4]) for row in table_after(answer.text, "would be rejected: the first")] == [
        ("Scheduled start", "export.csv, line 22", "soon"),
        ("Scheduled start", "export.csv, line 23", "later"),
    ]
    mapping = mapping_of(answer.text)
    assert "\n  slug: north\n" in mapping
    assert "\n  currency: EUR\n" in mapping
    assert rows_of(pages, count) == before


def test_files_are_checked_with_the_mapping_that_is_sent(admin: httpx.Client) -> None:
    page = check(admin, "export.csv", HEADER + GOOD)
    drafted = html.unescape(mapping_of(page.text))
    answer = check_again(admin, page, "# mine\n" + drafted.replace("completed: completed", "done: completed"))
    assert "20 rows: 20 would be rejected." in words_of(answer.text)
    assert mapping_of(answer.text).startswith("# mine")
    assert 'value="import"' not in answer.text
    foreign = check_again(admin, page, drafted.replace("slug: north", "slug: south"))
    assert "The mapping is for another organisation: write slug: north." in foreign.text
    broken = check_again(admin, page, "name: [")
    assert (broken.status_code, "is not YAML" in broken.text, 'value="import"' in broken.text) == (200, True, False)
    assert "20 rows: 0 would be rejected." in words_of(check_again(admin, page, drafted).text)


def test_what_cannot_be_read_is_said(admin: httpx.Client) -> None:
    assert "a PDF: export the table as CSV" in check(admin, "export.csv", b"%PDF-1.7").text
    assert check(admin, "", b"").status_code == 422


def test_a_check_that_takes_too_long_is_ended(admin: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_checks, "MAX_WAIT_S", 0)
    answer = check(admin, "export.csv", HEADER + GOOD)
    assert (answer.status_code, "use hub import --dry-run" in answer.text) == (422, True)
    assert import_checks._running == set()


def test_the_check_has_no_secret_of_the_hub(admin: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[dict[str, str]] = []
    start = asyncio.create_subprocess_exec

    async def recorded(*command: str, env: dict[str, str], **options: Any) -> object:
        started.append(env)
        return await start(*command, env=env, **options)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", recorded)
    assert check(admin, "export.csv", HEADER + GOOD).status_code == 200
    assert [set(env) for env in started] == [{"PATH"}]


def test_a_file_is_larger_than_other_requests_may_be(admin: httpx.Client) -> None:
    rows = HEADER + "".join(f"B{n},Ann Bell,Massage,2026-11-01 10:00,completed,80.00\n" for n in range(20_000))
    assert len(rows) > MAX_BODY_BYTES
    assert "20,000 rows: 0 would be rejected." in words_of(check(admin, "export.csv", rows).text)


def test_only_admins_send_files(pages: Pages, admin: httpx.Client) -> None:
    provider = pages.visit("provider@north.example")
    files = {"files": ("export.csv", HEADER + GOOD)}
    assert provider.get(imports.PATH).status_code == 403
    assert provider.post(imports.PATH, files=files).status_code == 403
    assert admin.post(imports.PATH, files=files).status_code == 403  # without the token of a form
    assert admin.get("/settings").text.count(f'href="{imports.PATH}"') == 1
