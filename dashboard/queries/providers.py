"""Providers: how busy they were and will be, hours planned and tracked, ratings, and one provider."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from dashboard.access import Visitor
from dashboard.queries import overview
from dashboard.queries.overview import ProviderLoad
from sources.operations.bookings import listing
from sources.operations.bookings.booking import Booking
from sources.operations.bookings.listing import BookingQuery
from sources.operations.errors import not_found
from sources.operations.transaction import Tx

WEEKS: Final = 12
DAYS_AHEAD: Final = 28
SHOWN_BOOKINGS: Final = 10

_HOURS: Final = """
select
    providers.provider_id, providers.provider_name, providers.is_active, providers.capacity_hours_per_day,
    coalesce(sum(kpis.value) filter (where kpis.metric = 'tracked_hours'), 0) as tracked_hours,
    coalesce(sum(kpis.value) filter (where kpis.metric = 'booked_hours'), 0) as booked_hours,
    coalesce(sum(kpis.value) filter (where kpis.metric = 'realized_revenue'), 0) as realized_revenue,
    sum(kpis.value) filter (where kpis.metric = 'average_rating_sum')
        / nullif(sum(kpis.value) filter (where kpis.metric = 'average_rating_count'), 0) as rating
from marts.dim_provider as providers
left join marts.kpi_daily as kpis
    on kpis.org_id = providers.org_id and kpis.dimension = 'provider' and kpis.member = providers.provider_id::text
    and kpis.metric = any('{tracked_hours,booked_hours,realized_revenue,average_rating_sum,average_rating_count}')
    and kpis.day > $2::date - 84 and kpis.day <= $2
where providers.org_id = $1 and ($3::uuid is null or providers.provider_id = $3)
group by providers.provider_id, providers.provider_name, providers.is_active, providers.capacity_hours_per_day
order by realized_revenue desc, providers.provider_name
"""
# Whole weeks, from Monday. Of kpi_daily, which is four times as fast as metrics_period for many members.
_WEEKS: Final = """
select member, date_trunc('week', day)::date as period_start, sum(value) as value
from marts.kpi_daily
where org_id = $1 and dimension = 'provider' and metric = 'tracked_hours' and ($3::text is null or member = $3)
    and day >= date_trunc('week', $2::date - 83) and day < date_trunc('week', $2::date + 1)
group by member, date_trunc('week', day)
order by member, period_start
"""
_OVERLOADS: Final = """
select id, title, summary, recommendation, impact, severity, status, kind, started_on, day, actions
from app.insight_events
where org_id = $1 and kind = 'workload' and status in ('open', 'acknowledged')
order by id desc limit 5
"""


Weeks = dict[date, Decimal]  # tracked hours by the first day of the week


@dataclass(frozen=True, slots=True)
class Providers:
    """The hours of the last twelve weeks, and the load ahead."""

    hours: list[dict[str, Any]]
    weeks: dict[str, Weeks]
    load: list[ProviderLoad]
    overloads: list[dict[str, Any]]

    @property
    def first_days(self) -> list[date]:
        """The first days of the weeks, in order."""
        return sorted({day for weeks in self.weeks.values() for day in weeks})


@dataclass(frozen=True, slots=True)
class Provider:
    facts: dict[str, Any]
    weeks: Weeks
    load: ProviderLoad | None
    bookings: list[Booking]


async def read_providers(visitor: Visitor, as_of: date) -> Providers:
    async def read(tx: Tx) -> Providers:
        return Providers(
            hours=[dict(row) for row in await tx.rows(_HOURS, visitor.org_id, as_of, None)],
            weeks=await _weeks(tx, visitor, as_of, None),
            load=await overview.read_load(tx, visitor, as_of, overview.LOAD_DAYS),
            overloads=[dict(row) for row in await tx.rows(_OVERLOADS, visitor.org_id)],
        )

    return await visitor.read(read)


async def _weeks(tx: Tx, visitor: Visitor, as_of: date, member: str | None) -> dict[str, Weeks]:
    """Return the tracked hours of each whole week, by the id of the provider as text."""
    rows = await tx.rows(_WEEKS, visitor.org_id, as_of, member)
    return {
        provider: {row["period_start"]: row["value"] for row in weeks}
        for provider, weeks in groupby(rows, key=lambda row: str(row["member"]))
    }


async def read_provider(visitor: Visitor, provider_id: UUID, as_of: date) -> Provider:
    """Return one provider. Raises Refusal not_found."""

    async def read(tx: Tx) -> Provider:
        facts = await tx.row(_HOURS, visitor.org_id, as_of, provider_id)
        if facts is None:
            raise not_found("provider")
        every = await overview.read_load(tx, visitor, as_of, DAYS_AHEAD)
        weeks = await _weeks(tx, visitor, as_of, str(provider_id))
        query = BookingQuery.model_validate(
            {"provider_id": provider_id, "limit": SHOWN_BOOKINGS, "sort": "scheduled_start",
             "scheduled_from": f"{as_of + timedelta(1)}T00:00:00Z"}
        )  # fmt: skip
        return Provider(
            facts=dict(facts),
            weeks=weeks.get(str(provider_id), {}),
            load=next((load for load in every if load.provider_id == provider_id), None),
            bookings=(await listing.list_bookings(tx, query)).items,
        )

    return await visitor.read(read)
