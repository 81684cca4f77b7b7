"""Clients: who is worth what, who comes again, who should have, and one client."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final, Literal
from uuid import UUID

from dashboard.access import Visitor
from sources.operations.bookings import listing
from sources.operations.bookings.booking import Booking
from sources.operations.bookings.listing import BookingQuery
from sources.operations.errors import not_found
from sources.operations.transaction import Tx

PAGE: Final = 25
MISSED: Final = 15
COHORTS: Final = 12
SHOWN_BOOKINGS: Final = 10
Sort = Literal["value", "name", "last"]
_ORDERS: Final[dict[Sort, str]] = {
    "value": "revenue desc, client_name",
    "name": "client_name",
    "last": "last_visit_day desc nulls last, client_name",
}

_TOTALS: Final = """
select
    count(*) as clients, count(*) filter (where is_missed) as missed,
    count(*) filter (where last_visit_day > $2::date - 90) as recent,
    coalesce(sum(yearly_amount) filter (where is_missed), 0) as missed_amount
from marts.fct_client_rhythm where org_id = $1
"""
_CLIENTS: Final = """
with worth as (
    select client_id, sum(revenue) as revenue, sum(visits) as visits
    from marts.fct_client_months where org_id = $1 group by client_id
)
select
    clients.client_id, clients.client_name, clients.client_group, coalesce(worth.revenue, 0) as revenue,
    coalesce(worth.visits, 0) as visits, rhythms.last_visit_day, rhythms.is_missed, count(*) over () as clients
from marts.dim_client as clients
left join worth on worth.client_id = clients.client_id
left join marts.fct_client_rhythm as rhythms on rhythms.client_id = clients.client_id
where clients.org_id = $1 and ($2::text is null or position(lower($2) in lower(clients.client_name)) > 0)
order by {order}
limit $3 offset $4
"""
_MISSED: Final = """
select rhythms.client_id, clients.client_name, rhythms.last_visit_day, rhythms.median_days, rhythms.yearly_amount
from marts.fct_client_rhythm as rhythms
inner join marts.dim_client as clients on clients.client_id = rhythms.client_id
where rhythms.org_id = $1 and rhythms.is_missed
order by rhythms.yearly_amount desc, clients.client_name
limit $2
"""
_RETENTION: Final = """
select cohort_month, months_since_first, clients, active_clients, retention_rate, is_partial
from analytics.v_client_retention
where org_id = $1 and cohort_month > ($2::date - interval '13 months') and months_since_first <= 12
order by cohort_month, months_since_first
"""
_ONE: Final = """
select
    clients.client_id, clients.client_name, clients.client_group, clients.is_active, clients.created_at,
    rhythms.last_visit_day, rhythms.median_days, rhythms.is_missed,
    (select coalesce(sum(revenue), 0) from marts.fct_client_months where client_id = $2) as revenue,
    (select coalesce(sum(visits), 0) from marts.fct_client_months where client_id = $2) as visits,
    (
        select coalesce(sum(revenue), 0) from marts.fct_client_months
        where client_id = $2 and month > ($3::date - interval '1 year')
    ) as revenue_of_year
from marts.dim_client as clients
left join marts.fct_client_rhythm as rhythms on rhythms.client_id = clients.client_id
where clients.org_id = $1 and clients.client_id = $2
"""
_MONTHS: Final = """
select months.month::date as day, coalesce(sum(facts.revenue), 0) as value
from generate_series(date_trunc('month', $3::date) - interval '23 months', $3::date, '1 month') as months (month)
left join marts.fct_client_months as facts
    on facts.org_id = $1 and facts.client_id = $2 and facts.month = months.month::date
group by months.month order by months.month
"""
_OPEN: Final = """
select invoice_number, booking_id, due_day, days_overdue, open_amount from analytics.v_receivables
where org_id = $1 and client_id = $2 order by due_day
"""
_RATING: Final = """
select avg(rating) as rating, count(*) as reviews from marts.fct_reviews where org_id = $1 and client_id = $2
"""


@dataclass(frozen=True, slots=True)
class Cohort:
    """The clients whose first visit was in one month. `shares`: of each month since then, None where it is not over."""

    month: date
    clients: int
    shares: list[Decimal | None]


@dataclass(frozen=True, slots=True)
class Clients:
    totals: dict[str, Any]
    clients: list[dict[str, Any]]
    missed: list[dict[str, Any]]
    cohorts: list[Cohort]

    @property
    def found(self) -> int:
        return self.clients[0]["clients"] if self.clients else 0


@dataclass(frozen=True, slots=True)
class Client:
    facts: dict[str, Any]
    months: list[dict[str, Any]]
    bookings: list[Booking]
    open_invoices: list[dict[str, Any]]
    rating: Decimal | None
    reviews: int

    @property
    def open_amount(self) -> Decimal:
        return sum((invoice["open_amount"] for invoice in self.open_invoices), Decimal(0))


async def read_clients(visitor: Visitor, as_of: date, q: str | None, sort: Sort, number: int) -> Clients:
    """Return page `number` (from 0) of the clients whose name contains `q`, and the state of all."""

    async def read(tx: Tx) -> Clients:
        org_id = visitor.org_id
        query = _CLIENTS.format(order=_ORDERS[sort])
        found = await tx.rows(query, org_id, q, PAGE, PAGE * number)
        retention = await tx.rows(_RETENTION, org_id, as_of)
        return Clients(
            totals=dict(await tx.one(_TOTALS, org_id, as_of)),
            clients=[dict(row) for row in found],
            missed=[dict(row) for row in await tx.rows(_MISSED, org_id, MISSED)],
            cohorts=_cohorts([dict(row) for row in retention]),
        )

    return await visitor.read(read)


def _cohorts(rows: list[dict[str, Any]]) -> list[Cohort]:
    """Return the newest cohorts, the latest first, with a share for each month since the first visit."""
    months = sorted({row["cohort_month"] for row in rows}, reverse=True)[:COHORTS]
    by_month = {(row["cohort_month"], row["months_since_first"]): row for row in rows}
    return [
        Cohort(
            month,
            by_month[month, 0]["clients"],
            [
                row["retention_rate"] if row and not row["is_partial"] else None
                for since in range(1, COHORTS + 1)
                for row in [by_month.get((month, since))]
            ],
        )
        for month in months
        if (month, 0) in by_month
    ]


async def read_client(visitor: Visitor, client_id: UUID, as_of: date) -> Client:
    """Return one client. Raises Refusal not_found."""

    async def read(tx: Tx) -> Client:
        of_client = (visitor.org_id, client_id)
        facts = await tx.row(_ONE, *of_client, as_of)
        if facts is None:
            raise not_found("client")
        rating = await tx.one(_RATING, *of_client)
        months = [dict(row) for row in await tx.rows(_MONTHS, *of_client, as_of)]
        open_invoices = [dict(row) for row in await tx.rows(_OPEN, *of_client)]
        query = BookingQuery(client_id=client_id, limit=SHOWN_BOOKINGS)
        bookings = (await listing.list_bookings(tx, query)).items
        return Client(dict(facts), months, bookings, open_invoices, rating["rating"], rating["reviews"])

    return await visitor.read(read)
