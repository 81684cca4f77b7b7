"""marts.metrics_period: each figure and what it is compared with, against the same figures computed day by day."""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from decimal import Decimal

import pandas as pd
import pytest

from sources.row_values import GRAINS
from sources.settings import Settings
from tests.conftest import clone
from tests.dbt.conftest import Dbt, execute, rows, set_clock

pytestmark = pytest.mark.slow

FIRST_DAY = date(2024, 1, 10)
AS_OF = date(2025, 6, 12)  # a Thursday: no period but the day is over
# Figures of 520 days by which every sum differs: amounts, bookings, and a stock.
DAYS = f"""
delete from marts.kpi_daily;
insert into marts.dim_date (day, week, month, quarter, year, weekday, is_working_day)
select day, day, day, day, day, 1, true from generate_series('2023-12-01'::date, '{AS_OF}', interval '1 day') as day
where day not in (select day from marts.dim_date);
insert into marts.kpi_daily (org_id, day, metric, dimension, member, value)
select organizations.org_id, day, metric, 'total', 'all', 1 + number * number % factor
from marts.dim_organization as organizations
cross join (
    values ('booked_revenue', 9973), ('bookings_in_own_currency', 13), ('revenue_on_hand', 10007),
        ('services_completed', 13), ('services_booked', 9967)
) as m (metric, factor)
cross join generate_series('{FIRST_DAY}'::date, '{AS_OF}', interval '1 day') with ordinality as days (day, number);
update marts.dim_organization set first_day = '{FIRST_DAY}', as_of = '{AS_OF}';
delete from raw.metric_targets;
insert into raw.metric_targets (id, org_id, metric, dimension, member, grain, starts_on, target)
select uuidv7(), org_id, 'booked_revenue', 'total', 'all', 'month', starts_on, target
from marts.dim_organization
cross join (values ('2025-01-01'::date, 1000), ('2025-04-01', 2000), ('2025-06-01', null)) as t (starts_on, target);
"""
FIGURES = """
select metric, period_start, period_end, is_partial, value, previous, year_ago, target
from marts.metrics_period where grain = %s and dimension = 'total' and metric = any(%s)
"""
METRICS = ["booked_revenue", "bookings_in_own_currency", "average_booking_value", "revenue_on_hand"]
COMPARED = ["value", "previous", "year_ago", "target"]
LENGTHS = {"day": "D", "week": "W-SUN", "month": "M", "quarter": "Q", "year": "Y"}

Days = Mapping[str, Mapping[date, Decimal]]


@pytest.fixture(scope="module")
def invented(server: str, built: Settings, dbt: Dbt) -> Settings:
    """A clone of the built business with invented days up to AS_OF."""
    settings = built.model_copy(update={"database_url": clone(server, built.database_url.rpartition("/")[2])})
    set_clock(settings, AS_OF)
    execute(settings, DAYS)
    dbt(settings, "run", "--select", "int_period_days")
    return settings


def days_of(first: date, last: date) -> list[date]:
    """The days from `first` to `last`."""
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def figure(metric: str, daily: Days, days: Iterable[date]) -> Decimal | None:
    """A metric over some days; of the stock that of the last of them. None if the first of them is not known."""
    known = list(days)
    if known[0] < FIRST_DAY:
        return None
    if metric == "average_booking_value":
        parts = [figure(part, daily, known) for part in ("booked_revenue", "bookings_in_own_currency")]
        assert parts[0] is not None
        assert parts[1]
        return round(parts[0] / parts[1], 6)
    days = known[-1:] if metric == "revenue_on_hand" else known
    return sum((daily[metric][day] for day in days), Decimal(0))


@pytest.mark.parametrize("grain", GRAINS)
def test_periods_are_compared_with_as_many_days_and_the_same_weekdays(invented: Settings, grain: str) -> None:
    daily: dict[str, dict[date, Decimal]] = {}
    for row in rows(invented, "select distinct metric, day, value from marts.kpi_daily"):
        daily.setdefault(row["metric"], {})[row["day"]] = row["value"]
    found = rows(invented, FIGURES, grain, METRICS)
    assert {row["metric"] for row in found} == set(METRICS)
    for row in found:
        period = pd.Period(row["period_start"], freq=LENGTHS[grain])
        before = period - 1
        assert (row["period_start"], row["period_end"]) == (period.start_time.date(), period.end_time.date())
        assert row["is_partial"] == (row["period_end"] > AS_OF)
        days = days_of(row["period_start"], min(row["period_end"], AS_OF))
        previous = days_of(before.start_time.date(), before.end_time.date())
        previous = previous[: len(days)] if row["is_partial"] else previous
        year_ago = [day - timedelta(days=364) for day in days]
        if days[0] >= FIRST_DAY:
            assert row["value"] == figure(row["metric"], daily, days), row
        assert row["previous"] == figure(row["metric"], daily, previous), row
        assert row["year_ago"] == figure(row["metric"], daily, year_ago), row


def test_what_is_not_known_of_a_metric_is_not_compared(invented: Settings) -> None:
    """Tracked hours begin later than the bookings."""
    execute(
        invented,
        f"""
        insert into marts.kpi_daily (org_id, day, metric, dimension, member, value)
        select org_id, day, 'tracked_hours', 'total', 'all', 8 from marts.dim_organization
        cross join lateral generate_series('{AS_OF}'::date - 60, '{AS_OF}', interval '1 day') as days (day)
        """,
    )
    found = rows(invented, FIGURES, "month", ["tracked_hours"])
    assert {(row["period_start"].month, row["value"], row["previous"]) for row in found} == {
        (4, 18 * 8, None),
        (5, 31 * 8, None),
        (6, 12 * 8, 12 * 8),
    }
    assert all(row["year_ago"] is None for row in found)
    execute(invented, "delete from marts.kpi_daily where metric = 'tracked_hours'")


def test_a_ratio_without_numerator_is_zero_from_the_first_day_of_its_denominator(invented: Settings) -> None:
    """Bookings are due from FIRST_DAY on; the only cancelled ones are those of AS_OF."""
    execute(
        invented,
        f"""
        insert into marts.kpi_daily (org_id, day, metric, dimension, member, value)
        select org_id, '{AS_OF}', 'services_cancelled', 'total', 'all', 1 from marts.dim_organization
        """,
    )
    found = rows(invented, FIGURES, "month", ["cancellation_rate"])
    assert min(row["period_start"] for row in found) == date(2024, 1, 1)
    assert {(row["value"], row["previous"]) for row in found if not row["is_partial"]} == {(0, None), (0, 0)}
    assert all(row["value"] > 0 == row["previous"] == row["year_ago"] for row in found if row["is_partial"])
    (of_april,) = rows(
        invented,
        "select value, previous, year_ago from analytics.get_dashboard_kpis("
        "(select min(org_id::text) from marts.dim_organization)::uuid, '2025-04-01', '2025-04-30') "
        "where metric = 'cancellation_rate'",
    )
    assert of_april == {"value": 0, "previous": 0, "year_ago": 0}
    execute(invented, "delete from marts.kpi_daily where metric = 'services_cancelled'")


def test_what_became_of_bookings_is_compared_at_equal_age(invented: Settings) -> None:
    """Completions are counted within 30 days: the last period of the rate ends 30 days before AS_OF."""
    daily: dict[str, dict[date, Decimal]] = {"services_completed": {}, "services_booked": {}}
    for row in rows(invented, "select distinct metric, day, value from marts.kpi_daily where metric ~ '^services_'"):
        daily[row["metric"]][row["day"]] = row["value"]

    def rate(first: date, days: int) -> Decimal:
        sums = [sum(part[day] for day in days_of(first, first + timedelta(days - 1))) for part in daily.values()]
        return round(Decimal(sums[0]) / Decimal(sums[1]), 6)

    found = rows(invented, FIGURES, "month", ["completion_rate"])
    last = max(found, key=lambda row: row["period_start"])
    first = date(2025, 5, 1)
    assert (last["period_start"], last["is_partial"]) == (first, True)
    assert last["value"] == rate(first, 13), "from the 1st to the 13th of May"
    assert last["previous"] == rate(date(2025, 4, 1), 13)
    assert last["year_ago"] == rate(first - timedelta(days=364), 13)
    assert {row["period_start"] for row in found if row["is_partial"]} == {first}
    booked = rows(invented, FIGURES, "month", ["services_booked"])
    assert max(row["period_start"] for row in booked) == date(2025, 6, 1), "what was booked is known at once"


def kpis(settings: Settings, first: date, last: date) -> dict[tuple[str, str], tuple[object, ...]]:
    """The figures of METRICS that get_dashboard_kpis has for some days, by organisation and metric."""
    found = rows(
        settings,
        """
        select org_id, kpis.* from marts.dim_organization
        cross join lateral analytics.get_dashboard_kpis(org_id, %s, %s) as kpis where metric = any(%s)
        """,
        first,
        last,
        METRICS,
    )
    return {(str(row["org_id"]), row["metric"]): tuple(row[name] for name in COMPARED) for row in found}


@pytest.mark.parametrize("grain", GRAINS)
def test_the_key_figures_of_a_whole_period_are_those_of_metrics_period(invented: Settings, grain: str) -> None:
    periods: dict[tuple[date, date], dict[tuple[str, str], tuple[object, ...]]] = {}
    for row in rows(
        invented,
        "select * from marts.metrics_period where grain = %s and dimension = 'total' and metric = any(%s)",
        grain,
        METRICS,
    ):
        figures = periods.setdefault((row["period_start"], row["period_end"]), {})
        figures[str(row["org_id"]), row["metric"]] = tuple(row[name] for name in COMPARED)
    for first, last in (*sorted(periods)[:2], *sorted(periods)[-2:]):
        assert kpis(invented, first, last) == periods[first, last]


@pytest.mark.parametrize(
    ("first", "last"), [(date(2025, 5, 7), date(2025, 6, 5)), (date(2025, 6, 3), date(2025, 6, 30))]
)
def test_the_key_figures_of_other_days_are_compared_with_as_many_days(
    invented: Settings, first: date, last: date
) -> None:
    daily: dict[str, dict[date, Decimal]] = {}
    for row in rows(invented, "select distinct metric, day, value from marts.kpi_daily"):
        daily.setdefault(row["metric"], {})[row["day"]] = row["value"]
    days = days_of(first, min(last, AS_OF))
    shifts = [timedelta(0), last - first + timedelta(days=1), timedelta(days=364)]
    found = kpis(invented, first, last)
    assert len(found) == 2 * len(METRICS)
    for (_, metric), figures in found.items():
        expected = [figure(metric, daily, [day - shift for day in days]) for shift in shifts]
        assert figures == (*expected, None), metric


def test_a_target_holds_until_the_next(invented: Settings) -> None:
    found = rows(invented, FIGURES, "month", ["booked_revenue", "bookings_in_own_currency"])
    targets = {(row["metric"], row["period_start"].isoformat()[:7]): row["target"] for row in found}
    of_revenue = {month: target for (metric, month), target in targets.items() if metric == "booked_revenue"}
    assert {month: target for month, target in of_revenue.items() if target is not None} == {
        "2025-01": 1000, "2025-02": 1000, "2025-03": 1000, "2025-04": 2000, "2025-05": 2000,
    }  # fmt: skip
    assert not any(target for (metric, _), target in targets.items() if metric != "booked_revenue")


def test_each_figure_of_the_sample_is_there_once(built: Settings) -> None:
    doubled = rows(
        built,
        "select grain, period_start, metric, dimension, member from marts.metrics_period "
        "group by org_id, grain, period_start, metric, dimension, member having count(*) > 1 limit 3",
    )
    assert doubled == []
    missing = rows(
        built,
        "select metric from marts.dim_metric except select metric from marts.metrics_period where grain = 'week'",
    )
    assert missing == []


def test_medians_and_distinct_counts_are_those_of_the_rows(built: Settings) -> None:
    for metric, aggregation, model in (
        ("median_lead_time", "percentile_cont(0.5) within group (order by lead_days)", "int_bookings_as_of"),
        ("booking_clients", "count(distinct client_id)", "int_booking_courses"),
    ):
        different = rows(
            built,
            f"""
            with expected as (
                select org_id, date_trunc('month', created_day)::date as period_start, service_id::text as member,
                    {aggregation} as value
                from intermediate.{model} group by 1, 2, 3
            )
            select period_start, member, expected.value as expected, periods.value
            from expected
            full join (
                select * from marts.metrics_period where grain = 'month' and dimension = 'service' and metric = %s
            ) as periods using (org_id, period_start, member)
            where coalesce(expected.value, 0) <> coalesce(periods.value, 0)
            """,
            metric,
        )
        assert different == []
