"""The facts of a digest: the key figures of the day, insights, outlook, workload and bookings by status.

Field names are part of the webhook payload (`data.digest`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from notifications.messages import Plot
from notifications.queries import Metric, Organization

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Coverage:
    """The extent of an organisation's data: its days, and whether payments and capacities are recorded."""

    as_of: date | None  # the newest day of the warehouse
    first_day: date | None
    last_day: date | None  # with any recorded activity
    has_ended: bool  # True if the data end with last_day
    book_until: date | None  # the last known service day, where the data end there
    bookings_complete_until: date | None  # later days of booking lack those of service days beyond book_until
    payments: bool
    capacity: bool


@dataclass(frozen=True)
class KeyFigure:
    """A metric of the day; usual: the median of the same weekday of the last weeks that have data.

    weeks: the number of these weeks; where it is 0, usual is None. year_ago: the same weekday of the same week a year
    before; None where the metric was not recorded yet.
    """

    metric: Metric
    value: Decimal
    usual: Decimal | None
    weeks: int
    year_ago: Decimal | None = None


@dataclass(frozen=True)
class Outlook:
    """Revenue of the coming days: the forecast with its 80 % range, and the revenue on hand.

    forecast, lower and upper are None where there is no forecast, on_hand where no coming service day has bookings.
    before, year_ago: the actual revenue of as many days up to the day, and of the same weekdays a year before; None
    where the data do not reach back so far.
    """

    days: int
    forecast: Decimal | None
    lower: Decimal | None
    upper: Decimal | None
    on_hand: Decimal | None
    before: Decimal | None = None
    year_ago: Decimal | None = None


@dataclass(frozen=True)
class Digest:
    """The facts of the digest of one organisation and day; key_figures is empty where the day has no data."""

    org_id: UUID
    organization: Organization
    day: date
    known: Coverage
    key_figures: tuple[KeyFigure, ...]
    undated_cancellations: int  # cancelled bookings without a day of cancellation, of service days up to the day
    new_insights: tuple[Row, ...]  # opened or worsened since the previous digest; the most severe, then the largest
    earlier_insights: tuple[Row, ...]  # still open
    resolved_insights: tuple[Row, ...]  # since the previous digest
    outlooks: tuple[Outlook, ...]
    is_newest: bool  # True if it is the newest day of the warehouse; else there are no accuracy, statuses and overloads
    accuracy: Row | None  # of forecasts with a lead time of ACCURACY_LEAD days
    statuses: Row | None
    overloads: tuple[Row, ...]
    plot: Plot | None

    @property
    def urgent(self) -> tuple[Row, ...]:
        """Return the new insights that need attention; the others can wait."""
        return tuple(row for row in self.new_insights if row["severity"] != "low")

    @property
    def has_data(self) -> bool:
        """Return True if anything was recorded up to the day."""
        return self.known.first_day is not None and self.known.first_day <= self.day

    @property
    def is_past_its_end(self) -> bool:
        """Return True if the day lies beyond data that ended."""
        as_of, last_day = self.known.as_of, self.known.last_day
        return self.known.has_ended and as_of is not None and last_day is not None and last_day < self.day <= as_of

    @property
    def is_cut_off(self) -> bool:
        """Return True if bookings made on the day are missing: those of service days beyond the edge of the data."""
        complete_until = self.known.bookings_complete_until
        return complete_until is not None and self.day > complete_until
