"""The explorer over the sample business: each figure equals that of the functions and marts that BI tools read."""

import csv
import html
import re
import time
from datetime import date
from decimal import Decimal
from uuid import UUID

import httpx
import psycopg
import pytest
from psycopg.rows import dict_row

from sources import database, formatting
from sources.tokens import issue_token
from tests.conftest import SAMPLE_DAY
from tests.dashboard.conftest import ADMINS, Pages, admin_of, rows_of
from tests.sources.entering import enter

OF_FUNCTION = (
    "bookings_created", "bookings_completed", "bookings_cancelled", "booked_revenue", "realized_revenue",
    "collected_revenue",
)  # fmt: skip
ROW = re.compile(
    r'<tr><th scope="row">(?:<a [^>]+>)?([^<]+)(?:</a>)?</th><td class="number" data-label="[^"]+">([^<]+)<'
)


def figures_of(browser: httpx.Client, **query: object) -> list[dict[str, str]]:
    """Return the rows of the CSV."""
    answer = browser.get("/explore.csv", params=query)  # type: ignore[arg-type]
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/csv")
    return list(csv.DictReader(answer.text.splitlines()))


@pytest.mark.parametrize("slug", ADMINS)
def test_every_figure_of_the_page_equals_the_function(sample_pages: Pages, slug: str) -> None:
    org_id, email = admin_of(sample_pages, slug)
    browser = sample_pages.visit(email, slug)
    units = {row["metric"]: row["unit"] for row in rows_of(sample_pages, "select metric, unit from marts.dim_metric")}
    trends = "select * from analytics.get_booking_trends(%s, %s, %s, 'week')"
    of_function = rows_of(sample_pages, trends, org_id, date(2026, 4, 6), SAMPLE_DAY)
    assert len(of_function) == 13
    for metric in OF_FUNCTION:
        text = browser.get("/explore", params={"metric": metric, "view": "table"}).text
        shown = [(html.unescape(period), value) for period, value in ROW.findall(text)]
        assert shown == [
            (
                formatting.period(row["period_start"], "week") + (", so far" if row["is_partial"] else ""),
                formatting.figure(row[metric], units[metric], ADMINS[slug]),
            )
            for row in reversed(of_function)
        ]


@pytest.mark.parametrize("slug", ADMINS)
@pytest.mark.parametrize(
    ("metric", "by", "grain"),
    [("booked_revenue", "service", "month"), ("cancellation_rate", "service", "week"), ("receivables", "total", "day"),
     ("median_lead_time", "channel", "quarter"), ("booking_clients", "provider", "year")],
)  # fmt: skip
def test_every_figure_of_a_split_equals_the_mart(
    sample_pages: Pages, slug: str, metric: str, by: str, grain: str
) -> None:
    org_id, email = admin_of(sample_pages, slug)
    names = ("previous", "year_ago", "target")
    found = figures_of(
        sample_pages.visit(email, slug), metric=metric, by=by, grain=grain, period="12m", compare=list(names)
    )
    mart = {
        (str(row["period_start"]), row["member"]): row
        for row in rows_of(
            sample_pages,
            "select * from marts.metrics_period where org_id = %s and metric = %s and dimension = %s and grain = %s "
            "and period_end >= '2025-07-01' and period_start <= %s",
            org_id,
            metric,
            by,
            grain,
            SAMPLE_DAY,
        )
    }
    assert mart
    empty = "" if metric in ("cancellation_rate", "median_lead_time") else "0"
    given = {(row["period_start"], row["member"]): row for row in found}
    assert mart.keys() <= given.keys()
    for key, row in given.items():
        expected = mart.get(key)
        for name in ("value", *names):
            value = expected[name] if expected else Decimal(0) if name == "value" and empty else None
            assert (Decimal(row[name]) if row[name] else None) == value, (key, name)
    assert all(row["is_partial"] == ("true" if row["period_end"] > str(SAMPLE_DAY) else "false") for row in found)


def test_the_sql_beside_the_figures_gives_the_same_to_a_reader(sample_pages: Pages) -> None:
    org_id, email = admin_of(sample_pages, "estudio-meridiano")
    browser = sample_pages.visit(email, "estudio-meridiano")
    query = {"metric": "booked_revenue", "by": "service", "grain": "month", "period": "12m", "compare": "year_ago"}
    sql = re.search(r"<pre tabindex=\"0\">([^<]+)</pre>", browser.get("/explore", params=query).text)
    assert sql
    with psycopg.connect(database.api_url(sample_pages.settings), row_factory=dict_row) as reader:
        enter(reader, UUID(org_id), email=email)
        rows = reader.execute(html.unescape(sql[1])).fetchall()
    of_page = {
        (row["period_start"], row["member"]): (Decimal(row["value"]), row["year_ago"])
        for row in figures_of(browser, **query)
    }
    assert rows
    for row in rows:
        value, year_ago = of_page[str(row["period_start"]), row["member"]]
        assert (row["value"], "" if row["year_ago"] is None else str(row["year_ago"])) == (value, year_ago)


def test_a_period_that_is_not_over_is_compared_to_date_and_says_so(sample_pages: Pages) -> None:
    _, email = admin_of(sample_pages, "estudio-meridiano")
    text = sample_pages.visit(email, "estudio-meridiano").get("/explore").text
    assert (
        "Week of 29 Jun 2026 is not over: it has 2 of its 7 days, up to Tue 30 Jun. It is compared with the first "
        "2 days of the week before and the same weekdays of last year."
    ) in text


def test_members_and_periods_lead_deeper(sample_pages: Pages) -> None:
    _, email = admin_of(sample_pages, "estudio-meridiano")
    browser = sample_pages.visit(email, "estudio-meridiano")
    start = "/explore?metric=booked_revenue&by=service&grain=month&period=12m&compare=previous&view=heat"
    links = [html.unescape(link) for link in re.findall(r'href="(/explore\?[^"]+)"', browser.get(start).text)]
    member = next(link for link in links if "member=" in link)
    of_month = next(link for link in links if "from=2026-05-01" in link)
    assert "Booked revenue of " in browser.get(member).text
    assert "Day by day, from 1 May 2026 to 31 May 2026." in browser.get(of_month).text
    assert all(browser.get(link).status_code == 200 for link in links)


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("metric=nothing", "There is no such metric."),
        ("metric=booked_revenue&grain=hour", "The address of this page is not complete."),
        ("metric=booked_revenue&grain=day&period=own&from=2020-01-01", "These are more than 400 periods."),
        ("metric=booked_revenue&period=own&from=2026-05-01&to=2026-04-01", "The last day is before the first one."),
    ],
)
def test_what_cannot_be_shown_is_said(sample_pages: Pages, query: str, sentence: str) -> None:
    _, email = admin_of(sample_pages, "estudio-meridiano")
    answer = sample_pages.visit(email, "estudio-meridiano").get(f"/explore?{query}")
    assert answer.status_code == 422
    assert sentence in answer.text


def test_a_split_that_a_metric_does_not_have_is_shown_in_total(sample_pages: Pages) -> None:
    _, email = admin_of(sample_pages, "estudio-meridiano")
    browser = sample_pages.visit(email, "estudio-meridiano")
    answer = browser.get("/explore?metric=receivables&by=provider&member=x")
    assert answer.status_code == 200
    assert "<h2>Receivables</h2>" in answer.text


def test_the_api_gives_the_figures_of_the_page(sample_pages: Pages) -> None:
    slug = "harbor-and-pine"
    org_id, email = admin_of(sample_pages, slug)
    with psycopg.connect(sample_pages.settings.database_url) as connection:
        token = issue_token(
            connection, sample_pages.settings, role="admin", email=email, slug=slug, days=1, issued_at=int(time.time())
        )
    api = httpx.Client(base_url=sample_pages.url, headers={"authorization": f"Bearer {token}"})
    metrics = api.get("/v1/metrics").json()
    assert (metrics["as_of"], metrics["currency"]) == (str(SAMPLE_DAY), "USD")
    assert len(metrics["items"]) == len(rows_of(sample_pages, "select from marts.dim_metric"))
    query = {
        "metrics": ["booked_revenue", "average_booking_value"], "dimension": "service", "grain": "month",
        "from": "2026-05-01", "to": "2026-06-30", "compare": ["previous", "year_ago"],
    }  # fmt: skip
    answer = api.get("/v1/metrics/query", params=query).json()
    assert (answer["from"], answer["to"], answer["currency"]) == ("2026-05-01", "2026-06-30", "USD")
    browser = sample_pages.visit(email, slug)
    for item in answer["items"]:
        page = figures_of(
            browser, metric=item["metric"]["metric"], by="service", grain="month", period="own",
            **{"from": "2026-05-01", "to": "2026-06-30", "compare": ["previous", "year_ago"]},
        )  # fmt: skip
        given = [
            (series["member"], figure["period_start"], figure["value"], *figure["compared"].values())
            for series in item["series"]
            for figure in series["figures"]
        ]
        of_page = [(r["member"], r["period_start"], r["value"], r["previous"], r["year_ago"]) for r in page]
        assert [tuple(value or "" for value in row) for row in given] == of_page
    unknown = api.get("/v1/metrics/query", params={"metrics": "receivables", "dimension": "provider"}).json()
    assert unknown["detail"] == "Receivables is not kept by 'provider', but by total, service."
    of_others = rows_of(sample_pages, "select org_id::text from marts.dim_organization where org_id <> %s", org_id)
    assert of_others
    assert not any(row["org_id"] in str(answer) for row in of_others)
