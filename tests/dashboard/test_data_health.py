"""Data health: what was landed and built, what failed, and the rejected rows of one's own imports alone."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg

from dashboard.queries.data_health import DataHealth
from tests.conftest import SAMPLE_DAY
from tests.dashboard.conftest import Pages, admin_of, rows_of, table_after, words_of
from tests.notifications.examples import insert_insight
from tests.sources.business import NORTH, SOUTH


def test_every_landed_table_is_listed(sample_pages: Pages) -> None:
    slug = "harbor-and-pine"
    _, email = admin_of(sample_pages, slug)
    page = sample_pages.visit(email, slug).get("/data-health").text
    landed = rows_of(sample_pages, "select table_name from raw.watermarks")
    shown = table_after(page, "When each table was landed")
    assert landed
    assert len(shown) == len(landed)
    assert all(when != "–" for _, when in shown)
    assert "overdue" not in page
    assert f"Figures are of Tuesday, {SAMPLE_DAY.day} June 2026" in words_of(page)


def test_before_the_first_run_it_says_so(pages: Pages) -> None:
    page = pages.visit("admin@north.example").get("/data-health").text
    assert "No run has built them yet." in page
    assert "Nothing has been landed yet" in page


def test_failures_and_rejected_rows_are_those_of_the_own_organisation(pages: Pages) -> None:
    with psycopg.connect(pages.settings.database_url, autocommit=True) as connection:
        for org, word in ((NORTH, "northern"), (SOUTH, "southern")):
            insert_insight(
                connection, org_id=org.id, kind="pipeline", title=f"The {word} check failed", dedupe_key=str(uuid4())
            )
            connection.execute(
                "insert into app.import_rejections "
                "(org_id, mapping, file_name, row_number, row_key, field, value, message) "
                "values (%s, 'hotel', %s, 7, 'row 7', 'total', 'twelve', 'The total is no number.')",
                [org.id, f"{word}.csv"],
            )
    page = pages.visit("admin@north.example").get("/data-health").text
    assert "The northern check failed" in page
    assert table_after(page, "The newest of them") == [
        ["northern.csv, row 7", "total", "twelve", "The total is no number."]
    ]
    assert table_after(page, "Rows of imports that were rejected")[0][:4] == ["northern.csv", "hotel", "1", "1"]
    assert "southern" not in page


def test_tables_that_no_run_has_landed_for_long_are_overdue() -> None:
    now = datetime(2026, 6, 30, 12, tzinfo=UTC)
    hours = {"reviews": 1.9, "tasks": 2, "invoices": 25.9, "payments": 26}
    landed = [{"table_name": name, "loaded_at": now - timedelta(hours=age)} for name, age in hours.items()]
    health = DataHealth(landed, None, [], [], [], [], [])
    assert health.overdue(now) == {"tasks": "late", "invoices": "late", "payments": "stale"}


def test_an_overdue_table_is_marked(pages: Pages) -> None:
    with psycopg.connect(pages.settings.database_url, autocommit=True) as connection:
        connection.execute(
            "insert into raw.watermarks (table_name, source_identity, watermark, rows_loaded, loaded_at) "
            "values ('tasks', '', '1', 0, now() - interval '1 day'), ('reviews', '', '1', 0, now()) "
        )
        page = pages.visit("admin@north.example").get("/data-health").text
        connection.execute("delete from raw.watermarks")
    assert "1 of 2 tables overdue" in words_of(page)
    marked = {name: landed.endswith(" late") for name, landed in table_after(page, "When each table was landed")}
    assert marked == {"Reviews": False, "Tasks": True}
