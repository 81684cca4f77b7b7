"""The functions for BI tools: equal to their views, and refusing what they cannot answer."""

from collections.abc import Iterator
from typing import Final
from uuid import UUID, uuid4

import psycopg
import pytest

from sources import bi_access, database
from sources.settings import Settings
from tests.conftest import clone
from tests.dbt.conftest import rows

pytestmark = pytest.mark.slow

ALWAYS: Final = "'2000-01-01', '2100-01-01'"
# Calls without the organisation, as `function(<organisation>, arguments)`.
CALLS: Final = {
    "get_booking_trends": ALWAYS,
    "get_revenue_by_status": ALWAYS,
    "get_completion_analytics": ALWAYS,
    "get_service_performance": ALWAYS,
    "detect_anomalies": ALWAYS,
    "forecast_revenue": "28",
    "get_latest_insights": "100",
    "get_dashboard_kpis": ALWAYS,
    "get_metric_series": f"'booked_revenue', 'service', 'month', {ALWAYS}",
}
MODEL_OUTPUTS: Final = """
insert into ml.anomalies (org_id, metric, dimension, member, day, as_of, value, expected, lower, upper, score,
    is_anomaly, severity, direction, began, since_value, since_expected)
select org_id, metric, 'total', 'all', as_of, as_of, 9, 1, 0, 2, 5, true, severity, 'up', as_of, 9, 1
from marts.dim_organization
cross join (values ('booked_revenue', 'low'), ('no_shows', 'high'), ('tracked_hours', 'critical'))
    as scores (metric, severity);

insert into ml.revenue_forecasts (org_id, as_of, day, service_id, forecast, lower_80, upper_80, lower_95, upper_95,
    model)
select org_id, as_of, as_of + lead_days, service_id, 10 * lead_days, 0, 999, 0, 999, 'seasonal'
from marts.dim_organization
cross join generate_series(1, 28) as lead_days
cross join lateral (
    select null::uuid as service_id
    union all
    select min(service_id::text)::uuid from marts.dim_service where dim_service.org_id = dim_organization.org_id
) as services;

insert into app.insight_events (org_id, kind, severity, metric, day, title, summary, dedupe_key, status, first_seen,
    last_seen)
select org_id, 'anomaly', severity, 'no_shows', as_of - age, 'No-shows', 'Many.', severity, status, now(), now()
from marts.dim_organization
cross join (values ('low', 'open', 0), ('high', 'open', 0), ('critical', 'open', 1), ('medium', 'resolved', 0))
    as insights (severity, status, age);
"""
FORECASTS: Final = """
    select as_of, day, forecast, lower_80, upper_80, lower_95, upper_95, on_hand, model from v_revenue_forecast
"""
FIRST_OF_QUARTER: Final = "min(date_trunc('quarter', day))"
# Calls, and the query on the view that has the same rows.
EQUAL: Final = [
    (
        "get_booking_trends({org}, '2025-03-01', '2025-03-31')",
        """
        select day, day, false, bookings_created, bookings_completed, bookings_cancelled, booked_revenue,
            realized_revenue, collected_revenue
        from v_booking_trends where day between '2025-03-01' and '2025-03-31' order by day
        """,
    ),
    (
        "get_booking_trends({org}, '2025-01-15', '2025-06-30', 'quarter')",
        f"""
        select {FIRST_OF_QUARTER}::date, ({FIRST_OF_QUARTER} + interval '3 months - 1 day')::date,
            min(day) < '2025-02-01', sum(bookings_created), sum(bookings_completed), sum(bookings_cancelled),
            sum(booked_revenue), sum(realized_revenue), sum(collected_revenue)
        from v_booking_trends where day >= '2025-01-15' group by date_trunc('quarter', day) order by 1
        """,
    ),
    (
        f"get_revenue_by_status({{org}}, {ALWAYS})",
        """
        select status, status_group, derived_status, currency, bookings, total_amount, invoiced_amount, paid_amount,
            outstanding_amount
        from v_revenue_by_status order by 1, 3, 4
        """,
    ),
    (
        f"get_completion_analytics({{org}}, {ALWAYS})",
        """
        select period_start, period_end, is_partial, service_id, service_name, bookings, completed, cancelled,
            completion_rate, cancellation_rate, avg_completion_days, on_time_rate, cancellations, no_shows, declined,
            expired, refunded, no_show_rate, completion_rate_30_days, completion_rate_60_days, avg_lead_days,
            avg_delivery_days, due, accepted_on_time_rate
        from v_completion_analytics order by period_start, service_name, service_id
        """,
    ),
    (
        f"get_service_performance({{org}}, {ALWAYS})",
        """
        select service_id, service_name, category, currency, bookings, completed, cancelled, cancellations, no_shows,
            declined, expired, refunded, completion_rate, cancellation_rate, no_show_rate, booked_revenue,
            realized_revenue, avg_booking_value, tracked_hours, revenue_per_hour, reviews, avg_rating
        from v_service_performance where bookings > 0 order by realized_revenue desc, service_name
        """,
    ),
    (
        "detect_anomalies({org}, '2025-06-30', '2025-06-30', 'high')",
        """
        select day, metric, metric_label, dimension, member, member_name, value, expected, lower, upper, score,
            severity, direction, pattern, began
        from v_booking_anomalies where severity in ('high', 'critical') order by severity
        """,
    ),
    (
        "forecast_revenue({org}, 7, (select min(service_id::text)::uuid from dim_service))",
        f"{FORECASTS} where service_id is not null and day <= '2025-07-07' order by day",
    ),
    ("forecast_revenue({org})", f"{FORECASTS} where service_id is null order by day"),
    (
        "get_metric_series({org}, 'average_booking_value', 'service', 'week', '2025-03-05', '2025-06-30')",
        """
        select period_start, period_end, is_partial, member, service_name, value, previous, year_ago, target
        from metrics_period
        join dim_service on service_id::text = member
        where metric = 'average_booking_value' and dimension = 'service' and grain = 'week'
            and period_start >= '2025-03-03' order by period_start, service_name
        """,
    ),
    (
        "get_metric_series({org}, 'bookings_created')",
        """
        select period_start, period_end, is_partial, member, 'all', value, previous, year_ago, target
        from metrics_period
        where metric = 'bookings_created' and dimension = 'total' and grain = 'day' order by period_start
        """,
    ),
]


@pytest.fixture(scope="module")
def settings(server: str, built: Settings) -> Settings:
    """A clone of the built business, with anomalies, forecasts and insights of both organisations."""
    it = built.model_copy(update={"database_url": clone(server, built.database_url.rpartition("/")[2])})
    with psycopg.connect(it.database_url) as owner:
        owner.execute(MODEL_OUTPUTS)
    return it


@pytest.fixture(scope="module")
def organizations(settings: Settings) -> list[UUID]:
    """The organisation of the login, and the other one."""
    return [row["org_id"] for row in rows(settings, "select org_id from marts.dim_organization order by slug")]


@pytest.fixture(scope="module")
def reader(settings: Settings, organizations: list[UUID]) -> Iterator[psycopg.Connection]:
    """A connection of a BI login of one organisation."""
    name = f"test_{uuid4().hex[:20]}"
    with psycopg.connect(settings.database_url, autocommit=True) as owner:
        password = bi_access.add(owner, name, organizations[:1])
        assert password
        with psycopg.connect(database.url_of(settings, name, password), autocommit=True) as connection:
            yield connection
        bi_access.revoke(owner, name)


def answer(connection: psycopg.Connection, call: str, org_id: UUID, columns: str = "*") -> list[tuple[object, ...]]:
    """Return the rows of a call, in which {org} stands for the organisation."""
    return connection.execute(f"select {columns} from analytics.{call}".format(org=f"'{org_id}'").encode()).fetchall()


@pytest.mark.parametrize(("call", "view"), EQUAL)
def test_a_function_equals_its_view(
    reader: psycopg.Connection, organizations: list[UUID], call: str, view: str
) -> None:
    found = answer(reader, call, organizations[0])
    assert found
    assert found == reader.execute(view.encode()).fetchall()


@pytest.mark.parametrize(
    ("grain", "period"), [("month", "'2025-05-01', '2025-05-31'"), ("week", "'2025-06-30', '2025-07-06'")]
)
def test_the_key_figures_of_a_period_equal_metrics_period(
    reader: psycopg.Connection, organizations: list[UUID], grain: str, period: str
) -> None:
    """metrics_period has no row of a metric without facts; the function has one, of a sum zero."""
    columns = "metric, label, unit, value, previous, year_ago, target, good_direction"
    found = answer(reader, f"get_dashboard_kpis({{org}}, {period})", organizations[0], columns)
    expected = reader.execute(
        f"""
        select {columns} from metrics_period
        join dim_metric using (metric)
        where grain = '{grain}' and dimension = 'total' and (period_start, period_end) = ({period})
            and kind not in ('median', 'distinct')
        order by position
        """.encode()
    ).fetchall()
    named = {row[0] for row in expected}
    assert [row for row in found if row[0] in named] == expected
    assert not any(row[3] or row[4] for row in found if row[0] not in named)


@pytest.mark.parametrize(
    ("arguments", "severities"),
    [
        ("", ["high", "low", "critical"]),
        (", 1", ["high"]),
        (", 20, 'resolved'", ["medium"]),
        (", p_status => 'any'", ["high", "medium", "low", "critical"]),
    ],
)
def test_the_latest_insights_come_first(
    reader: psycopg.Connection, organizations: list[UUID], arguments: str, severities: list[str]
) -> None:
    found = answer(reader, f"get_latest_insights({{org}}{arguments})", organizations[0], "severity")
    assert [severity for (severity,) in found] == severities


@pytest.mark.parametrize(
    ("arguments", "periods"),
    [
        ("'2025-05-02', '2025-06-29', 'month'", [("05-01", "05-31", True), ("06-01", "06-30", True)]),
        ("'2025-05-01', '2100-01-01', 'month'", [("05-01", "05-31", False), ("06-01", "06-30", False)]),
        ("'2025-06-23', '2025-07-06', 'week'", [("06-23", "06-29", False), ("06-30", "07-06", True)]),
    ],
)
def test_a_period_is_partial_until_it_is_over_and_asked_for_whole(
    reader: psycopg.Connection, organizations: list[UUID], arguments: str, periods: list[tuple[str, str, bool]]
) -> None:
    columns = "to_char(period_start, 'MM-DD'), to_char(period_end, 'MM-DD'), is_partial"
    assert answer(reader, f"get_booking_trends({{org}}, {arguments})", organizations[0], columns) == periods


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (f"get_booking_trends({{org}}, {ALWAYS}, 'year')", "p_grain is one of day, week, month and quarter."),
        (f"get_booking_trends({{org}}, {ALWAYS}, null)", "p_grain is one of day, week, month and quarter."),
        (f"get_completion_analytics({{org}}, {ALWAYS}, 'Day')", "p_grain is one of day, week, month and quarter."),
        ("get_revenue_by_status({org}, '2025-02-01', '2025-01-01')", "p_from and p_to are days"),
        ("get_service_performance({org}, null, '2025-01-01')", "p_from and p_to are days"),
        (f"detect_anomalies({{org}}, {ALWAYS}, 'severe')", "p_min_severity is one of critical, high, medium, low."),
        ("forecast_revenue({org}, 29)", "p_days is a number from 1 to 28."),
        ("get_latest_insights({org}, 0)", "p_limit is a number from 1 to 1000."),
        ("get_dashboard_kpis({org}, '2025-02-01', '2025-01-01')", "p_from and p_to are days"),
        ("get_metric_series({org}, 'sales')", "p_metric is the name of a metric in marts.dim_metric."),
        ("get_metric_series({org}, 'no_shows', 'channel')", "p_dimension is total or another dimension of the metric"),
        (
            "get_metric_series({org}, 'no_shows', 'total', 'hour')",
            "p_grain is one of day, week, month, quarter and year.",
        ),
        (
            "get_metric_series({org}, 'no_shows', 'total', 'day', '2025-02-01', '2025-01-01')",
            "p_from is not after p_to.",
        ),
        ("get_latest_insights({org}, 5, 'new')", "p_status is one of open, acknowledged, resolved, dismissed and any."),
    ],
)
def test_an_argument_that_makes_no_sense_is_refused(
    reader: psycopg.Connection, organizations: list[UUID], call: str, sentence: str
) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue, match=sentence):
        answer(reader, call, organizations[0])


@pytest.mark.parametrize("function", CALLS)
def test_another_organization_and_an_empty_period_have_no_rows(
    settings: Settings, reader: psycopg.Connection, organizations: list[UUID], function: str
) -> None:
    own, other = organizations
    call = f"{function}({{org}}, {CALLS[function]})"
    with psycopg.connect(settings.database_url) as owner:
        assert answer(owner, call, other)
    assert answer(reader, call, own)
    assert answer(reader, call, other) == []
    assert answer(reader, call, uuid4()) == []
    if ALWAYS in CALLS[function]:
        before = call.replace(ALWAYS, "'1999-01-01', '1999-12-31'")
        assert answer(reader, before, own) == []


def test_functions_have_the_rights_of_the_caller_and_no_search_path(settings: Settings) -> None:
    found = rows(
        settings,
        """
        select proname, prosecdef, provolatile::text, proconfig, obj_description(oid, 'pg_proc') as description,
            has_function_privilege('hub_reader', oid, 'execute') as readers,
            has_function_privilege('hub_source', oid, 'execute') as others
        from pg_proc where pronamespace = 'analytics'::regnamespace
        """,
    )
    assert {row["proname"] for row in found} == CALLS.keys()
    for row in found:
        assert (row["prosecdef"], row["provolatile"], row["proconfig"]) == (
            False,
            "s",
            ['search_path=""', "plan_cache_mode=force_custom_plan"],
        )
        assert (row["readers"], row["others"]) == (True, False)
        assert row["description"]
