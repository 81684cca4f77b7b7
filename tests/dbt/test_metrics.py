"""The declared metrics, their ratios, members and single rows agree with kpi_daily."""

import pytest

from sources.settings import Settings
from tests.dbt.conftest import rows

pytestmark = pytest.mark.slow

# The single rows, summed by each dimension that a metric has, beside kpi_daily; a sum of nothing but zeros has no row.
DIFFERENCES = """
with sums as (
    select single.org_id, single.metric, single.day, parts.dimension, parts.member, sum(single.value) as value
    from intermediate.int_metric_rows as single
    inner join marts.dim_metric as metrics on metrics.metric = single.metric
    cross join lateral (
        values ('total', 'all'), ('service', service), ('provider', provider), ('client_group', client_group),
            ('channel', channel), ('service_weekday', service_weekday), ('lead_bucket', lead_bucket),
            ('status_group', status_group)
    ) as parts (dimension, member)
    where parts.member is not null and parts.dimension = any(metrics.dimensions)
    group by 1, 2, 3, 4, 5
)
select metric, dimension, member, day, sums.value as of_rows, kpis.value as of_kpis
from sums
full join marts.kpi_daily as kpis using (org_id, metric, day, dimension, member)
where coalesce(sums.value, 0) <> coalesce(kpis.value, 0)
limit 5
"""
BY_CHANNEL = """
select count(*) as bookings, count(distinct kpis.member) as channels
from marts.kpi_daily as kpis where metric = 'bookings_created' and dimension = 'channel'
"""
UNKNOWN = """
select metric, unnest(drives || numerator || denominator) as named from marts.dim_metric
except select metrics.metric, known.metric from marts.dim_metric as metrics cross join marts.dim_metric as known
"""
# Metrics of kpi_daily without a row, and rows of metrics that are not made from days.
MISPLACED = """
select metrics.metric from marts.dim_metric as metrics
where (metrics.kind in ('sum', 'stock')) <> exists (
    select from marts.kpi_daily as kpis where kpis.metric = metrics.metric and kpis.value <> 0
)
"""
MEMBERS_WITHOUT_NAME = """
select distinct kpis.dimension, kpis.member
from marts.kpi_daily as kpis
left join marts.dim_member as members using (org_id, dimension, member)
where members.member_name is null
"""


def test_the_single_rows_of_each_metric_sum_to_kpi_daily(built: Settings) -> None:
    assert rows(built, DIFFERENCES) == []
    (counted,) = rows(built, BY_CHANNEL)
    assert counted["channels"] > 1, "the sample has channels"


def test_metrics_name_metrics_that_exist(built: Settings) -> None:
    assert [row for row in rows(built, UNKNOWN) if row["named"] is not None] == []


def test_the_sample_has_every_metric(built: Settings) -> None:
    assert rows(built, MISPLACED) == []
    [counted] = rows(built, "select count(*) from marts.dim_metric where metric !~ '_(sum|count)$'")
    assert counted["count"] >= 30


def test_every_member_has_a_name(built: Settings) -> None:
    assert rows(built, MEMBERS_WITHOUT_NAME) == []


def test_shares_are_parts_of_one(built: Settings) -> None:
    shares = rows(
        built,
        "select metric, numerator, denominator, dimensions from marts.dim_metric "
        "where unit = 'share' and metric not in ('utilization', 'tracked_share_of_planned')",  # these can be above one
    )
    assert shares
    for share in shares:
        broken = rows(
            built,
            """
            select day, dimension, member, sum(value) filter (where metric = %s) as numerator,
                sum(value) filter (where metric = %s) as denominator
            from marts.kpi_daily
            where metric in (%s, %s) and dimension = any(%s)
            group by org_id, day, dimension, member
            having coalesce(sum(value) filter (where metric = %s), 0)
                > coalesce(sum(value) filter (where metric = %s), 0)
            """,
            *(share["numerator"], share["denominator"]) * 2,
            share["dimensions"],
            share["numerator"],
            share["denominator"],
        )
        assert broken == [], share["metric"]


def test_revenue_on_hand_is_that_of_the_book_on_the_same_evening(built: Settings) -> None:
    different = rows(
        built,
        """
        with book as (
            select org_id, service_day - lead_days as day, sum(revenue) as revenue
            from marts.fct_bookings_on_hand
            where dimension = 'total' and lead_days > 0
            group by 1, 2
        )
        select book.day, book.revenue, kpis.value
        from book
        left join marts.kpi_daily as kpis
            on kpis.org_id = book.org_id and kpis.day = book.day and kpis.metric = 'revenue_on_hand'
                and kpis.dimension = 'total'
        where book.revenue <> coalesce(kpis.value, 0)
        """,
    )
    assert different == []
