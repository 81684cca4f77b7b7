"""An import from the page: files are checked, imported on request by a run, and what became of them is told."""

import csv
import html
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import psycopg
import pytest
from psycopg.types.json import Jsonb

from dashboard.routes import imports as routes
from dashboard.routes.imports import PATH, path_of
from sources import database
from sources.importing import jobs
from sources.operations import imports
from tests.dashboard.conftest import TOKEN, Pages, rows_of, send, table_after, words_of
from tests.sources.business import NORTH
from tests.sources.entering import enter

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
HEADER = "Booking,Client,Service,Start,Status,Price\n"
GOOD = "".join(f"P{n},Ann Bell,Massage,2026-11-{n:02} 10:00,completed,80.00\n" for n in range(1, 21))
BAD = "P21,Cy Shaw,Yoga,soon,completed,80.00\nP22,Cy Shaw,Yoga,=later,completed,80.00\n"
BOOKINGS = "select count(*) as n from app.bookings where external_ref like 'P%%'"
FILES = "select count(*) as n from app.import_files"
ENTRIES = "select action, actor_id, after from app.audit_log where table_name = 'import_jobs'"


@pytest.fixture(scope="module")
def admin(pages: Pages) -> httpx.Client:
    return pages.visit("admin@north.example")


@pytest.fixture(autouse=True)
def nothing_before(pages: Pages) -> Iterator[None]:
    """Each test begins without imports, and without what they wrote."""
    yield
    with psycopg.connect(pages.settings.database_url) as connection:
        connection.execute("delete from app.import_jobs")
        connection.execute("delete from app.bookings where external_ref like 'P%'")
        connection.execute("delete from app.import_records")
        connection.execute("delete from app.import_rejections")


def keep(browser: httpx.Client, content: str, like: str = "") -> str:
    """Send a file to be checked, and return the path of its import."""
    token = TOKEN.search(browser.get(PATH).text)
    assert token
    data = {"form_token": token[1], "like": like}
    answer = browser.post(PATH, data=data, files={"files": ("export.csv", content)}, timeout=60)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def kept(pages: Pages) -> str:
    """Write a checked file without a check, and return the path of its import."""
    with psycopg.connect(pages.settings.database_url) as connection:
        [[job_id]] = connection.execute(
            "insert into app.import_jobs (org_id, requested_by, file_names, mapping, findings) "
            "values (%s, %s, %s, 'a mapping', %s) returning id",
            [NORTH.id, NORTH.id_of("admin"), ["export.csv"], Jsonb({"problem": "", "rows_read": 20})],
        ).fetchall()
        insert = "insert into app.import_files (org_id, job_id, name, content) values (%s, %s, 'export.csv', %s)"
        connection.execute(insert, [NORTH.id, job_id, (HEADER + GOOD).encode()])
    return path_of(job_id)


def ask(browser: httpx.Client, path: str, **fields: str) -> None:
    answer = send(browser, PATH, path, decision="import", **fields)
    assert (answer.status_code, answer.headers["location"]) == (303, path), answer.text


def run(pages: Pages) -> list[str]:
    """Import what was asked for, as the run does."""
    with jobs.only_importer(pages.settings) as connection:
        assert connection is not None
        return list(iter(lambda: jobs.import_next(connection, pages.settings, NOW), None))


def number(pages: Pages, query: str) -> int:
    return int(rows_of(pages, query)[0]["n"])


def test_files_are_imported_on_request_and_the_rejected_rows_are_listed(
    pages: Pages, admin: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "No import yet" in admin.get(PATH).text
    entries = len(rows_of(pages, ENTRIES))
    path = keep(admin, HEADER + GOOD + BAD)
    assert "Import 20 rows" in admin.get(path).text
    assert (run(pages), number(pages, BOOKINGS), number(pages, FILES)) == ([], 0, 1)
    ask(admin, path)
    ask(admin, path)  # a double click
    assert "The import begins within half a minute" in admin.get(path).text
    assert run(pages) == ["north: 22 rows read, 2 rejected."]
    assert (number(pages, BOOKINGS), number(pages, FILES)) == (20, 0)

    page = admin.get(path).text
    assert "22 rows read: 20 new, 0 changed, 0 the same, 2 rejected." in words_of(page)
    assert [row[:3] for row in table_after(page, "Rows that are still rejected")] == [
        ["export.csv, line 22", "Scheduled start", "soon"],
        ["export.csv, line 23", "Scheduled start", "=later"],
    ]
    monkeypatch.setattr(routes, "BATCH_VALUES", 1)
    saved = list(csv.DictReader(admin.get(f"{path}/rejected.csv").text.splitlines()))
    assert [(row["line"], row["value"]) for row in saved] == [("22", "soon"), ("23", "'=later")]
    assert all("soon" not in str(row) for row in rows_of(pages, "select findings, report from app.import_jobs"))
    listed = table_after(admin.get(PATH).text, "Earlier imports")
    assert [(row[0], row[3]) for row in listed] == [("export.csv", "Imported 20 new, 0 changed, 2 rejected")]
    [entry] = rows_of(pages, ENTRIES)[entries:]
    assert (entry["action"], entry["actor_id"]) == ("insert", NORTH.id_of("admin"))
    assert entry["after"] == {"files": "export.csv", "rows_read": 22}


def test_a_corrected_file_adds_what_is_missing_and_nothing_twice(pages: Pages, admin: httpx.Client) -> None:
    first = keep(admin, HEADER + GOOD + BAD)
    ask(admin, first)
    run(pages)
    corrected = BAD.replace("soon", "2026-11-25 10:00").replace("=later", "2026-11-26 10:00")
    form = admin.get(f"{PATH}?like={first.rpartition('/')[2]}").text
    assert f'<option value="{first.rpartition("/")[2]}" selected>' in form
    second = keep(admin, HEADER + GOOD + corrected, like=first.rpartition("/")[2])
    ask(admin, second)
    run(pages)
    assert "22 rows read: 2 new, 0 changed, 20 the same, 0 rejected." in words_of(admin.get(second).text)
    assert number(pages, BOOKINGS) == 22
    assert "None: a later import has accepted them" in admin.get(first).text


def test_files_with_other_columns_get_a_mapping_of_their_own(pages: Pages, admin: httpx.Client) -> None:
    other = keep(admin, (HEADER + GOOD).replace("Client", "Customer"), like=kept(pages).rpartition("/")[2])
    page = admin.get(other).text
    assert ("is not a mapping" in page, 'value="import"' in page) == (True, False)
    assert send(admin, PATH, other, decision="draft").headers["location"] == other
    assert "20 rows: 0 would be rejected." in words_of(admin.get(other).text)


def test_a_mapping_that_was_changed_is_checked_before_anything_is_imported(pages: Pages, admin: httpx.Client) -> None:
    path = keep(admin, HEADER + GOOD)
    mapping = html.unescape(admin.get(path).text.partition('spellcheck="false">')[2].partition("</textarea>")[0])
    ask(admin, path, mapping=mapping.replace("completed: completed", "done: completed"))
    page = admin.get(path).text
    assert "20 rows: 20 would be rejected." in words_of(page)
    assert "the files were checked with it" in page
    assert rows_of(pages, "select state from app.import_jobs") == [{"state": "checked"}]
    ask(admin, path)  # nothing can be imported, but who sends the form by hand learns it from the result
    run(pages)
    assert "Nothing was imported: every row was rejected." in words_of(admin.get(path).text)


def test_what_hub_import_refuses_is_refused_with_its_sentence(pages: Pages, admin: httpx.Client) -> None:
    path = keep(admin, HEADER + GOOD)
    text = rows_of(pages, "select mapping from app.import_jobs")[0]["mapping"]
    ask(admin, path, mapping=text.replace("currency: EUR", "currency: USD"))
    ask(admin, path)
    run(pages)
    page = admin.get(path).text
    assert "has the currency EUR, but the mapping has USD: write EUR as organization.currency" in page
    assert (number(pages, BOOKINGS), number(pages, FILES)) == (0, 0)


def test_files_are_discarded(pages: Pages, admin: httpx.Client) -> None:
    path = kept(pages)
    assert send(admin, path, path, decision="discard").headers["location"] == PATH
    assert (admin.get(path).status_code, number(pages, FILES)) == (404, 0)
    asked = kept(pages)
    token = TOKEN.search(admin.get(asked).text)
    ask(admin, asked)
    assert token
    late = admin.post(asked, data={"form_token": token[1], "decision": "discard"})
    assert (late.status_code, "their import was asked for" in late.text) == (422, True)


def test_an_import_is_for_the_admins_of_its_organization(pages: Pages, admin: httpx.Client) -> None:
    path = kept(pages)
    south = pages.visit("admin@south.example")
    for address in (path, f"{path}/rejected.csv"):
        assert south.get(address).status_code == 404
    assert send(south, PATH, path, decision="import").status_code == 404
    assert send(south, PATH, path, decision="discard").status_code == 404
    assert "export.csv" not in south.get(PATH).text
    for email in ("client@north.example", "provider@north.example"):
        visitor = pages.visit(email)
        assert [visitor.get(address).status_code for address in (PATH, path, f"{path}/rejected.csv")] == [403] * 3
        assert visitor.post(path, data={"decision": "import"}).status_code == 403
    assert rows_of(pages, "select state from app.import_jobs") == [{"state": "checked"}]


def test_the_files_that_are_kept_are_limited(
    pages: Pages, admin: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept(pages)
    monkeypatch.setattr(imports, "MOST_BYTES", 1_500)
    token = TOKEN.search(admin.get(PATH).text)
    assert token
    files = {"files": ("export.csv", HEADER + GOOD)}
    answer = admin.post(PATH, data={"form_token": token[1]}, files=files, timeout=60)
    assert (answer.status_code, "files that wait to be imported" in answer.text) == (422, True)


def test_the_api_cannot_set_the_state_of_an_import(pages: Pages, admin: httpx.Client) -> None:
    path = kept(pages)
    values = {"id": path.rpartition("/")[2], "org": NORTH.id, "admin": NORTH.id_of("admin")}
    insert = (
        "insert into app.import_jobs (org_id, requested_by, requested_at, file_names, mapping, findings, state) "
        "values (%(org)s, %(admin)s, now(), '{}', '', '{}', 'requested')"
    )
    with psycopg.connect(database.api_url(pages.settings), autocommit=True) as connection:
        for statement in (
            "update app.import_jobs set state = 'requested', requested_at = now() where id = %(id)s",
            "update app.import_jobs set report = '{}' where id = %(id)s",
            "update app.import_files set content = '' where job_id = %(id)s",
            insert,
        ):
            with connection.transaction(force_rollback=True):
                enter(connection, NORTH.id, NORTH.admin)
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement, values)
        ask(admin, path)
        with connection.transaction(force_rollback=True):
            enter(connection, NORTH.id, NORTH.admin)
            assert connection.execute("update app.import_jobs set mapping = '' where id = %(id)s", values).rowcount == 0
            assert connection.execute("delete from app.import_jobs where id = %(id)s", values).rowcount == 0


def test_nothing_is_kept_for_a_database_that_is_only_read(
    pages: Pages, admin: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "source_url", lambda _: "postgresql://elsewhere/app")
    token = TOKEN.search(admin.get(PATH).text)
    assert token
    answer = admin.post(PATH, data={"form_token": token[1]}, files={"files": ("export.csv", HEADER + GOOD)})
    assert (answer.status_code, "HUB_SOURCE_URL names a database" in answer.text) == (422, True)
    assert number(pages, FILES) == 0
