"""The overview over the sample business: every figure equals that of the marts and views that BI tools read."""

import asyncio
import re
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, Final, cast, get_args
from uuid import uuid4

import pytest

from dashboard.access import Visitor
from dashboard.formats import compared
from dashboard.queries.overview import KEY_METRICS, ProviderLoad, read_key_figures
from dashboard.rendering import templates
from dashboard.routes.overview import WORDS, Period
from sources import formatting
from sources.operations.transaction import Tx
from tests.conftest import SAMPLE_DAY
from tests.dashboard.conftest import ADMINS, Pages, admin_of, rows_of, table_after, words_of

TILE: Final = re.compile(
    r'<a class="card tile" href="/explore\?metric=(\w+)[^"]*">\s*<span class="name">([^<]*)</span>\s*'
    r'<span class="value">([^<]*)</span>\s*<ul class="compared">(.*?)</ul>',
    re.DOTALL,
)
ITEM: Final = re.compile(r"<li.*?</li>", re.DOTALL)
HEADING: Final = re.compile(r'<h3><a href="/insights/([0-9a-f-]+)">')


@pytest.fixture(params=ADMINS)
def owner(request: pytest.FixtureRequest, sample_pages: Pages) -> SimpleNamespace:
    """An admin of each organisation: org_id, currency and browser."""
    org_id, email = admin_of(sample_pages, request.param)
    browser = sample_pages.visit(email, request.param)
    return SimpleNamespace(org_id=org_id, currency=ADMINS[request.param], browser=browser)


@pytest.mark.parametrize("period", get_args(Period))
def test_key_figures_are_those_of_the_period_to_date(sample_pages: Pages, owner: Any, period: Period) -> None:
    newest = rows_of(
        sample_pages,
        """
        select p.metric, m.label, m.unit, m.good_direction, p.value, p.previous, p.year_ago, p.target
        from marts.metrics_period as p inner join marts.dim_metric as m using (metric)
        where p.org_id = %s and p.grain = %s and p.dimension = 'total' and p.metric = any(%s)
            and %s between p.period_start and p.period_end
        """,
        owner.org_id, period, list(KEY_METRICS), SAMPLE_DAY,
    )  # fmt: skip
    expected = {
        row["metric"]: (
            row["label"],
            "–" if row["value"] is None else formatting.figure(row["value"], row["unit"], owner.currency),
            [words for words, _ in compared(SimpleNamespace(**row), WORDS[period], owner.currency)],
        )
        for row in newest
    }
    page = owner.browser.get("/", params={"period": period}).text
    shown = {
        metric: (words_of(name), words_of(value), [words_of(item) for item in ITEM.findall(items)])
        for metric, name, value, items in TILE.findall(page)
    }
    assert shown == expected
    assert {"bookings_created", "booked_revenue", "realized_revenue"} <= shown.keys()


@pytest.mark.parametrize(("is_sum", "shown"), [(True, Decimal(0)), (False, None)])
def test_a_period_without_anything_does_not_show_an_earlier_one(is_sum: bool, shown: Decimal | None) -> None:
    earlier = {
        "metric": "bookings_created", "label": "Bookings created", "unit": "count", "good_direction": "up",
        "value": Decimal(7), "previous": Decimal(5), "year_ago": None, "target": Decimal(6), "is_sum": is_sum,
        "is_newest": False,
    }  # fmt: skip

    class Found:
        async def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
            return [earlier]

    visitor = cast(Visitor, SimpleNamespace(org_id=uuid4()))
    figure = asyncio.run(read_key_figures(cast(Tx, Found()), visitor, SAMPLE_DAY, "day"))[0]
    assert (figure.value, figure.previous, figure.target) == (shown, None, None)
    assert figure.course == [7.0, None if shown is None else 0.0]


def test_what_needs_attention_is_in_the_order_of_its_money(sample_pages: Pages, owner: Any) -> None:
    by_money = rows_of(
        sample_pages,
        "select id::text, abs(impact) as money from app.insight_events where org_id = %s and status = 'open'",
        owner.org_id,
    )
    page = owner.browser.get("/").text
    shown = HEADING.findall(page)
    money = {row["id"]: row["money"] or 0 for row in by_money}
    assert [money[one] for one in shown] == sorted(money.values(), reverse=True)[:5]
    if len(money) > 5:
        assert f"All {len(money)} open insights" in page


def test_the_outlook_is_the_newest_forecast(sample_pages: Pages, owner: Any) -> None:
    coming = rows_of(
        sample_pages,
        "select day, forecast, lower_80, upper_80, on_hand from analytics.v_revenue_forecast "
        "where org_id = %s and service_id is null and day <= %s order by day",
        owner.org_id, SAMPLE_DAY + timedelta(28),
    )  # fmt: skip
    page = owner.browser.get("/").text
    assert len(coming) == 28

    def money(amount: Any) -> str:
        return formatting.money(amount, owner.currency)

    assert table_after(page, "Realized revenue of the last 56 days")[-28:] == [
        [
            formatting.short_day(row["day"]), "", money(row["forecast"]),
            f"{money(row['lower_80'])} to {money(row['upper_80'])}",
        ]
        for row in coming
    ]  # fmt: skip
    words = words_of(page)
    assert f"The next 28 days: {money(sum(row['forecast'] for row in coming))}" in words
    assert f"Booked already: {money(sum(row['on_hand'] for row in coming))}" in words


def test_the_days_before_the_forecast_are_those_of_realized_revenue(sample_pages: Pages, owner: Any) -> None:
    days = rows_of(
        sample_pages,
        "select day, realized_revenue from analytics.v_booking_trends where org_id = %s and day > %s and day <= %s "
        "order by day",
        owner.org_id, SAMPLE_DAY - timedelta(56), SAMPLE_DAY,
    )  # fmt: skip
    shown = table_after(owner.browser.get("/").text, "Realized revenue of the last 56 days")[:-28]
    assert [(row[0].removesuffix(" unusual"), row[1]) for row in shown] == [
        (formatting.short_day(row["day"]), formatting.money(row["realized_revenue"], owner.currency)) for row in days
    ]


def test_a_pace_without_a_book_of_a_year_ago_is_not_told(sample_pages: Pages, owner: Any) -> None:
    assert rows_of(sample_pages, "select * from analytics.v_booking_pace where org_id = %s", owner.org_id) == []
    page = owner.browser.get("/").text
    assert "There is no book of a year ago to compare with yet." in page
    assert "Revenue on hand by coming week" not in page


def test_the_load_marks_each_overloaded_day(sample_pages: Pages, owner: Any) -> None:
    days = rows_of(
        sample_pages,
        "select provider_name, day, load_level from analytics.v_provider_workload_analytics "
        "where org_id = %s and day > %s and day <= %s order by day",
        owner.org_id, SAMPLE_DAY, SAMPLE_DAY + timedelta(14),
    )  # fmt: skip
    overloaded = {row["provider_name"] for row in days if row["load_level"] == "overloaded"}
    page = owner.browser.get("/").text
    shown = {row[0]: row[1:] for row in table_after(page, "Load by provider and day")}
    assert shown
    assert all(len(row) == 14 for row in shown.values())
    for name, cells in shown.items():
        levels = [row["load_level"] for row in days if row["provider_name"] == name]
        assert ["overloaded" in cell for cell in cells] == [level == "overloaded" for level in levels], name
    count = f"{len(overloaded)} provider{'s' if len(overloaded) > 1 else ''} overloaded"
    assert (count if overloaded else "No provider is overloaded") in words_of(page)


def test_an_overloaded_day_is_told_in_words_and_colour() -> None:
    def day(utilization: Decimal | None, level: str) -> dict[str, Any]:
        return {"day": SAMPLE_DAY, "utilization": utilization, "load_level": level, "booked_hours": Decimal(3)}

    days = [day(Decimal("0.5"), "healthy"), day(Decimal("1.25"), "overloaded"), day(None, "idle")]
    load = ProviderLoad(uuid4(), "Ada", days)
    table = str(templates.get_template("load_parts.html.j2").module.days([load], "Load"))  # type: ignore[attr-defined]
    assert table_after(table, "Load") == [["Ada", "50%", "125% overloaded", "3 h"]]
    assert table.count('class="over"') == 1


def test_before_the_first_build_the_page_says_what_comes(pages: Pages) -> None:
    admin = pages.visit("admin@north.example")
    for path in ("/", "/forecast", "/receivables"):
        page = admin.get(path)
        assert (page.status_code, "There are no figures yet" in page.text) == (200, True), path


@pytest.mark.parametrize("role", ["provider", "client"])
def test_pages_of_figures_are_closed_to_providers_and_clients(pages: Pages, role: str) -> None:
    browser = pages.visit(f"{role}@north.example")
    for path in ("/forecast", "/receivables", "/data-health"):
        assert browser.get(path).status_code == 403, path
    assert "Key figures" not in browser.get("/").text
