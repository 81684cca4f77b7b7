"""The check of an export: what it reads, what it rejects, and who may send files."""

import asyncio
from typing import Any

import httpx
import pytest

from dashboard.routes import imports
from sources.api.middleware import MAX_BODY_BYTES
from tests.dashboard.conftest import TOKEN, Pages, rows_of, table_after, words_of

HEADER = "Booking,Client,Service,Start,Status,Price\n"
GOOD = "".join(f"B{n},Ann Bell,Massage,2026-11-{n:02} 10:00,completed,80.00\n" for n in range(1, 21))
BAD = "B21,Cy Shaw,Yoga,soon,completed,80.00\nB22,Cy Shaw,Yoga,later,completed,80.00\n"


@pytest.fixture(scope="module")
def admin(pages: Pages) -> httpx.Client:
    return pages.visit("admin@north.example")


def check(browser: httpx.Client, name: str, content: bytes | str, **fields: str) -> httpx.Response:
    token = TOKEN.search(browser.get(imports.PATH).text)
    assert token
    data = {"form_token": token[1], **fields}
    return browser.post(imports.PATH, data=data, files={"files": (name, content)}, timeout=60)


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
    drafted = mapping_of(check(admin, "export.csv", HEADER + GOOD).text).replace("&#34;", '"').replace("&#39;", "'")
    sent = "# mine\n" + drafted.replace("completed: completed", "done: completed")
    answer = check(admin, "export.csv", HEADER + GOOD, mapping=sent, uses_mapping="true")
    assert "20 rows: 20 would be rejected." in words_of(answer.text)
    assert mapping_of(answer.text).startswith("# mine")
    foreign = check(
        admin, "export.csv", HEADER + GOOD, mapping=drafted.replace("slug: north", "slug: south"), uses_mapping="true"
    )
    assert "The mapping is for another organisation: write slug: north." in foreign.text
    broken = check(admin, "export.csv", HEADER + GOOD, mapping="name: [", uses_mapping="true")
    assert (broken.status_code, "is not YAML" in broken.text) == (200, True)
    anew = check(admin, "export.csv", HEADER + GOOD, mapping=sent)
    assert "20 rows: 0 would be rejected." in words_of(anew.text)


def test_what_cannot_be_read_is_said(admin: httpx.Client) -> None:
    assert "a PDF: export the table as CSV" in check(admin, "export.csv", b"%PDF-1.7").text
    assert check(admin, "", b"").status_code == 422


def test_a_check_that_takes_too_long_is_ended(admin: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "MAX_WAIT_S", 0)
    answer = check(admin, "export.csv", HEADER + GOOD)
    assert (answer.status_code, "use hub import --dry-run" in answer.text) == (422, True)
    assert imports._running == set()


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
