"""`hub run` and `hub digest` succeed for any business, and show no figures without data.

make test runs 14 businesses, always the same; make fuzz runs 200 others (HUB_BUSINESSES). A failure has the description
of the business, from which businesses.py generates the same rows again.
"""

import os
import re
from collections.abc import Iterator
from datetime import date, timedelta
from html import unescape
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

import psycopg
import pytest
from typer.testing import CliRunner

from tests.end_to_end.businesses import NOW, TODAY, Business, drawn, fill, realized, slug
from tests.end_to_end.conftest import Hub

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]

COUNT = int(os.environ.get("HUB_BUSINESSES", "14"))
TOGETHER = 20  # organisations per Hub
MADE = drawn(COUNT, random_ones="HUB_BUSINESSES" in os.environ)
PAST = TODAY - timedelta(days=100)

# Each series with anomaly scores, the largest of its bounds and the largest value in its history.
ANOMALY_BOUNDS = """
    select anomalies.org_id, concat_ws(' ', anomalies.metric, anomalies.dimension, anomalies.member),
        max(greatest(abs(anomalies.expected), abs(anomalies.lower), abs(anomalies.upper))), max(history.largest)
    from ml.anomalies as anomalies
    left join (
        select org_id, metric, dimension, member, max(abs(value)) as largest from marts.kpi_daily group by 1, 2, 3, 4
        union all
        select org_id, ratios.metric, dimension, member, max(abs(parts.value / wholes.value))
        from marts.dim_metric as ratios
        inner join marts.kpi_daily as parts on parts.metric = ratios.numerator
        inner join marts.kpi_daily as wholes using (org_id, dimension, member, day)
        where wholes.metric = ratios.denominator and wholes.value <> 0
        group by 1, 2, 3, 4
    ) as history using (org_id, metric, dimension, member)
    inner join raw.run_clock as clock on clock.org_id = anomalies.org_id and anomalies.as_of = clock.as_of
    group by 1, 2
"""
# Revenue on hand counts as history too: at most the revenue ever booked for one day.
FORECAST_BOUNDS = """
    select forecasts.org_id, 'revenue of ' || coalesce(forecasts.service_id::text, 'all'),
        max(greatest(abs(forecasts.lower_95), abs(forecasts.upper_95))),
        greatest(max(history.largest), max(abs(coalesce(forecasts.on_hand, 0))))
    from ml.revenue_forecasts as forecasts
    left join (
        select org_id, member, max(abs(value)) as largest from marts.kpi_daily
        where metric = 'realized_revenue' and dimension in ('total', 'service') group by 1, 2
    ) as history
        on history.org_id = forecasts.org_id and history.member = coalesce(forecasts.service_id::text, 'all')
    inner join raw.run_clock as clock on clock.org_id = forecasts.org_id and forecasts.as_of = clock.as_of
    group by 1, 2
"""


@pytest.mark.parametrize("made", [MADE[begin : begin + TOGETHER] for begin in range(0, COUNT, TOGETHER)])
def test_any_business_runs_and_gets_true_figures(empty_hub: Hub, made: list[Business], tmp_path: Path) -> None:
    with psycopg.connect(empty_hub.settings.database_url) as connection:
        businesses = fill(connection, made)
    problems: list[str] = []
    for as_of in (None, PAST):
        outcome = empty_hub.try_run(as_of, now=NOW)
        problems += [f"run as of {as_of}: {name}: {message}" for name, message in outcome.failures.items()]
        days = {row[0]: row[1] for row in empty_hub.rows("select org_id, as_of from raw.run_clock")}
        for org_id, business in businesses.items():
            day = days[org_id]
            assert isinstance(day, date)
            problems += [
                f"{business.shown} as of {day}: {problem}"
                for problem in [
                    *_figures(empty_hub, org_id, business, day),
                    *_bounds(empty_hub, org_id),
                    *_clock(empty_hub, org_id, business, day, as_of),
                    *_words(empty_hub, org_id, business, tmp_path),
                ]
            ]
    assert not problems, "\n".join(problems)


def _figures(hub: Hub, org_id: UUID, business: Business, day: date) -> Iterator[str]:
    if not business.has_history and day < TODAY - timedelta(days=1):
        return  # the status of such a booking on a past day is unknown
    expected = realized(business, day)
    for table in ("marts.kpi_daily", "analytics.v_booking_trends"):
        column, where = ("value", "and metric = 'realized_revenue' and dimension = 'total'")
        if table != "marts.kpi_daily":
            column, where = "realized_revenue", ""
        ((shown,),) = hub.rows(f"select coalesce(sum({column}), 0) from {table} where org_id = %s {where}", org_id)
        if shown != expected:
            yield f"{table} has a realized revenue of {shown} instead of {expected}"


def _bounds(hub: Hub, org_id: UUID) -> Iterator[str]:
    for query in (ANOMALY_BOUNDS, FORECAST_BOUNDS):
        for owner, series, bound, largest in hub.rows(query):
            if owner == org_id and float(str(bound)) > 10 * float(str(largest or 0)):
                yield f"the bounds of {series} reach {bound}, and the largest value in the history is {largest}"


def _clock(hub: Hub, org_id: UUID, business: Business, day: date, as_of: date | None) -> Iterator[str]:
    yesterday = NOW.astimezone(ZoneInfo(business.timezone)).date() - timedelta(days=1)
    if as_of is not None:
        if day != as_of:
            yield f"the run should be as of {as_of}"
    elif business.bookings and 0 <= business.ended <= 1 and day != yesterday:
        yield f"the run of continuing data is as of {day}"
    elif (
        business.ended >= 400
        and business.service_hours < 24
        and business.most_lead <= 30
        and day > TODAY - timedelta(300)
    ):
        yield f"the run of ended data is as of {day}"
    ((first, last),) = hub.rows("select first_day, last_day from marts.dim_organization where org_id = %s", org_id)
    if business.bookings == 0 and (first, last) != (None, None):
        yield f"there are no bookings, and its days are {first} to {last}"


def _words(hub: Hub, org_id: UUID, business: Business, folder: Path) -> Iterator[str]:
    page = folder / "digest.html"
    text = _digest(hub, "--text", "--org", slug(org_id))
    _digest(hub, "--html", str(page), "--org", slug(org_id))
    shown = re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", "", page.read_text())))
    for form, content in (("text", text), ("page", shown)):
        if _squashed(business.name) not in _squashed(content):
            yield f"the {form} does not have its name"
        if not business.pays and "Collected revenue" in content:
            yield f"the {form} shows collected revenue without payments"
        if not business.has_capacity and re.search("overload|Workload", content):
            yield f"the {form} shows workload without capacity"
        if re.search(r"\b(nan|inf|None|null)\b", content.replace(business.name, "")):
            yield f"the {form} shows an undefined value"
    if business.bookings <= 2:
        ((forecasts,),) = hub.rows("select count(*) from analytics.v_revenue_forecast where org_id = %s", org_id)
        if forecasts:
            yield f"revenue is forecast from {business.bookings} bookings"


def _squashed(text: str) -> str:
    return re.sub(r"\s+", "", text)


def _digest(hub: Hub, *arguments: str) -> str:
    """Return the output of `hub digest`, run in this process."""
    from cli import app

    with hub.as_environment():
        done = CliRunner().invoke(app, ["digest", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return str(done.output)
