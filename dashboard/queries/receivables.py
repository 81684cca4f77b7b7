"""What is issued and unpaid: by age, by client and by invoice, of the last complete day."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from dashboard.access import Visitor
from sources.operations.transaction import Tx

AGES: Final = ("not due", "1-30 days", "31-60 days", "61-90 days", "over 90 days")
SHOWN_CLIENTS: Final = 10
SHOWN_INVOICES: Final = 25

_BY_AGE: Final = """
select age, count(*) as invoices, sum(open_amount) as amount
from analytics.v_receivables where org_id = $1 group by age
"""
_BY_CLIENT: Final = """
select
    client_id, client_name, count(*) as invoices, sum(open_amount) as amount,
    coalesce(sum(open_amount) filter (where days_overdue > 0), 0) as overdue, max(days_overdue) as days_overdue,
    count(*) over () as clients
from analytics.v_receivables where org_id = $1
group by client_id, client_name
order by overdue desc, amount desc, client_name
limit $2
"""
_OVERDUE: Final = """
select invoice_number, booking_id, client_id, client_name, due_day, days_overdue, age, open_amount
from analytics.v_receivables where org_id = $1 and days_overdue > 0 and ($3::text is null or age = $3)
order by open_amount desc, due_day, invoice_number
limit $2
"""
_COURSE: Final = """
select period_end as day, value
from marts.metrics_period
where org_id = $1 and metric = 'receivables' and dimension = 'total' and grain = 'week'
    and period_start > $2::date - 182
order by period_end
"""


@dataclass(frozen=True, slots=True)
class Receivables:
    """The open amounts of an organisation. `by_age` has every age, in its order."""

    by_age: list[dict[str, Any]]
    by_client: list[dict[str, Any]]
    overdue: list[dict[str, Any]]
    course: list[dict[str, Any]]

    @property
    def total(self) -> Decimal:
        return sum((age["amount"] for age in self.by_age), Decimal(0))

    @property
    def overdue_amount(self) -> Decimal:
        return sum((age["amount"] for age in self.by_age if age["age"] != AGES[0]), Decimal(0))

    @property
    def overdue_invoices(self) -> int:
        return sum(age["invoices"] for age in self.by_age if age["age"] != AGES[0])


async def by_age(tx: Tx, visitor: Visitor) -> list[dict[str, Any]]:
    """Return the number of invoices and the open amount of every age, in the order of AGES."""
    found = {row["age"]: dict(row) for row in await tx.rows(_BY_AGE, visitor.org_id)}
    none = {"invoices": 0, "amount": Decimal(0)}
    return [{"age": name, **none, **found.get(name, {})} for name in AGES]


async def read_receivables(visitor: Visitor, age: str | None = None) -> Receivables:
    """Return the receivables; `age` limits the overdue invoices to one age."""

    async def read(tx: Tx) -> Receivables:
        return Receivables(
            by_age=await by_age(tx, visitor),
            by_client=[dict(row) for row in await tx.rows(_BY_CLIENT, visitor.org_id, SHOWN_CLIENTS)],
            overdue=[dict(row) for row in await tx.rows(_OVERDUE, visitor.org_id, SHOWN_INVOICES, age)],
            course=[dict(row) for row in await tx.rows(_COURSE, visitor.org_id, visitor.as_of)],
        )

    return await visitor.read(read)
