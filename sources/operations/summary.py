"""The bookings of a caller in figures: how many in which state, for how much, and what is still to be paid."""

from decimal import Decimal
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from sources import lifecycle
from sources.operations.transaction import Tx
from sources.operations.values import Moment, Money

ZERO: Final = Decimal("0.00")
GROUPS: Final = {
    **dict.fromkeys(lifecycle.PENDING, "pending"),
    **dict.fromkeys(lifecycle.ONGOING, "active"),
    **dict.fromkeys(lifecycle.COMPLETED, "completed"),
    **dict.fromkeys(lifecycle.CANCELLED, "cancelled"),
}

COUNT_BOOKINGS: Final = "select status, currency, bookings, amount_minor from app.booking_figures()"
SUM_OUTSTANDING: Final = "select currency, outstanding from app.outstanding()"


class GroupCounts(BaseModel):
    """How many bookings are in each state of the business."""

    pending: int = 0
    active: int = 0
    completed: int = 0
    cancelled: int = 0


class MoneyTotals(BaseModel):
    """Amounts in one currency."""

    currency: str
    total_amount: Money = Field(description="Of bookings that are not cancelled.")
    outstanding_amount: Money = Field(description="Of invoices: issued and not yet paid.")


class Summary(BaseModel):
    """The caller's bookings in figures."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "total": 42,
                    "counts": {"pending": 7, "active": 12, "completed": 20, "cancelled": 3},
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
    by_status: dict[str, int] = Field(description="Statuses that no booking has are left out.")
    amounts: list[MoneyTotals]
    as_of: Moment = Field(description="When the figures were true.")
    stale: bool = Field(description="The database did not answer in time: these are the last known figures.")


async def summarise(tx: Tx) -> Summary:
    """The figures of what the caller may see, now."""
    counts, by_status = GroupCounts(), dict.fromkeys(lifecycle.STATUSES, 0)
    totals: dict[str, list[Decimal]] = {}
    for row in await tx.rows(COUNT_BOOKINGS):
        group = GROUPS[row["status"]]
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
