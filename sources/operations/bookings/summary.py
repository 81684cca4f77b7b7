"""The summary of the caller's bookings: counts by group and status, amounts, and outstanding amounts."""

from decimal import Decimal
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from sources import lifecycle
from sources.operations.field_types import Moment, Money
from sources.operations.transaction import Tx

ZERO: Final = Decimal("0.00")

COUNT_BOOKINGS: Final = "select status, currency, bookings, amount_minor from app.booking_figures()"
SUM_OUTSTANDING: Final = "select currency, outstanding from app.outstanding()"


class GroupCounts(BaseModel):
    """The number of bookings in each group of statuses."""

    pending: int = 0
    ongoing: int = Field(
        0, description="The analytics views divide these into `active`, `at_risk` and `overdue`, which sum to it."
    )
    completed: int = 0
    cancelled: int = 0


class MoneyTotals(BaseModel):
    """Amounts in one currency."""

    currency: str
    total_amount: Money = Field(description="The total of the bookings that are not cancelled.")
    outstanding_amount: Money = Field(description="The amount still to be paid of issued invoices.")


class Summary(BaseModel):
    """Counts and amounts of the caller's bookings."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "total": 42,
                    "counts": {"pending": 7, "ongoing": 12, "completed": 20, "cancelled": 3},
                    "by_status": {"requested": 7, "in_progress": 12, "completed": 20, "cancelled": 3},
                    "amounts": [{"currency": "EUR", "total_amount": "10400.00", "outstanding_amount": "1250.50"}],
                    "as_of": "2026-05-04T09:00:00Z",
                    "stale": False,
                }
            ]
        }
    )

    total: int
    counts: GroupCounts
    by_status: dict[str, int] = Field(description="Statuses without bookings are left out.")
    amounts: list[MoneyTotals]
    as_of: Moment = Field(description="The time of the figures.")
    stale: bool = Field(description="True: the database did not answer in time, and these are the last known figures.")


async def summarise(tx: Tx) -> Summary:
    """Return the current figures of the bookings and invoices that the caller may see."""
    counts, by_status = GroupCounts(), dict.fromkeys(lifecycle.STATUSES, 0)
    totals: dict[str, list[Decimal]] = {}
    for row in await tx.rows(COUNT_BOOKINGS):
        group = lifecycle.GROUP_OF[row["status"]]
        setattr(counts, group, getattr(counts, group) + row["bookings"])
        by_status[row["status"]] += row["bookings"]
        total = totals.setdefault(row["currency"], [ZERO, ZERO])
        if group != "cancelled":
            total[0] += Decimal(row["amount_minor"]).scaleb(-2)
    for row in await tx.rows(SUM_OUTSTANDING):
        totals.setdefault(row["currency"], [ZERO, ZERO])[1] = row["outstanding"]
    return Summary(
        total=sum(by_status.values()),
        counts=counts,
        by_status={status: number for status, number in by_status.items() if number},
        amounts=[
            MoneyTotals(currency=currency, total_amount=total, outstanding_amount=outstanding)
            for currency, (total, outstanding) in sorted(totals.items())
        ],
        as_of=tx.at,
        stale=False,
    )
