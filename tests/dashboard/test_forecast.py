"""Forecasts over the sample business: each figure equals that of v_forecast, for totals and for members."""

from datetime import timedelta

import pytest

from sources import formatting
from tests.conftest import SAMPLE_DAY
from tests.dashboard.conftest import ADMINS, Pages, admin_of, rows_of, table_after, words_of


@pytest.mark.parametrize(("slug", "horizon"), [*zip(ADMINS, (28, 90), strict=True)])
def test_every_day_equals_the_view(sample_pages: Pages, slug: str, horizon: int) -> None:
    org_id, email = admin_of(sample_pages, slug)
    browser, currency = sample_pages.visit(email, slug), ADMINS[slug]
    series = rows_of(
        sample_pages,
        "select distinct on (metric, dimension) metric, dimension, member, unit from analytics.v_forecast "
        "where org_id = %s order by metric, dimension, member",
        org_id,
    )
    assert {"total", "service"} <= {one["dimension"] for one in series}
    for one in series:
        days = rows_of(
            sample_pages,
            "select day, forecast, lower_80, upper_80, lower_95, upper_95, on_hand from analytics.v_forecast "
            "where org_id = %s and metric = %s and dimension = %s and member = %s and day <= %s order by day",
            org_id, one["metric"], one["dimension"], one["member"], SAMPLE_DAY + timedelta(horizon),
        )  # fmt: skip
        key = f"{one['metric']}.{one['dimension']}.{one['member']}"
        page = browser.get("/forecast", params={"of": key, "days": horizon}).text

        def figure(value: float | None, unit: str = one["unit"]) -> str:
            return "–" if value is None else formatting.figure(value, unit, currency)

        shown = table_after(page, f"and the forecast of {horizon} days")[-len(days) :]
        assert [row[:5] for row in shown] == [
            [
                formatting.short_day(row["day"]), "", figure(row["forecast"]),
                f"{figure(row['lower_80'])} to {figure(row['upper_80'])}",
                f"{figure(row['lower_95'])} to {figure(row['upper_95'])}",
            ]
            for row in days
        ], key  # fmt: skip
        total = figure(sum(row["forecast"] for row in days))
        assert f"Forecast for the next {horizon} days {total}" in words_of(page), key


def test_a_series_that_is_not_forecast_is_not_there(sample_pages: Pages) -> None:
    slug = "estudio-meridiano"
    _, email = admin_of(sample_pages, slug)
    assert sample_pages.visit(email, slug).get("/forecast", params={"of": "nothing.total.all"}).status_code == 404


def test_the_database_has_counted_the_forecasts_as_soon_as_they_are_written(sample_pages: Pages) -> None:
    """Without statistics the page takes twenty times as long, until PostgreSQL collects them by itself."""
    analyzed = "select last_analyze from pg_stat_user_tables where schemaname = 'ml' and relname = 'forecasts'"
    assert rows_of(sample_pages, analyzed)[0]["last_analyze"] is not None
