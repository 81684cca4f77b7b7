"""What a person looks at in the explorer: one metric, by what, which days, beside what, and how it is drawn."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Final, Literal
from urllib.parse import urlencode

from pydantic import ConfigDict, Field

from sources.operations.calendar import Day
from sources.operations.field_types import Request
from sources.operations.figures import MOST_MEMBERS, TOTAL, Comparison, FiguresQuery, Name, first_of_month
from sources.row_values import Grain

Period = Literal["28d", "13w", "12m", "24m", "this_month", "this_year", "own"]
View = Literal["line", "bar", "heat", "table"]

FINER: Final[dict[Grain, Grain]] = {"year": "month", "quarter": "week", "month": "day", "week": "day"}
MONTHS: Final[dict[Period, int]] = {"this_month": 1, "12m": 12, "24m": 24}


class Exploration(Request):
    """The state of the explorer. `period` names days up to as_of; those of `own` are from `first` to `last`."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)
    metric: Name = "realized_revenue"
    by: Name = TOTAL
    member: list[Name] = Field(default=[], max_length=MOST_MEMBERS)
    grain: Grain = "week"
    period: Period = "13w"
    first: Day | None = Field(None, alias="from")
    last: Day | None = Field(None, alias="to")
    compare: list[Comparison] = Field(default=[], max_length=3)
    view: View = "line"

    def days(self, as_of: date) -> tuple[date | None, date | None]:
        """Return the first and the last day; None: as the query has it by default."""
        if self.period == "own":
            return self.first, self.last
        if self.period == "28d":
            return as_of - timedelta(days=27), as_of
        if self.period == "13w":  # the week of as_of, and the twelve before it
            return as_of - timedelta(days=as_of.weekday() + 12 * 7), as_of
        if self.period == "this_year":
            return as_of.replace(month=1, day=1), as_of
        return first_of_month(as_of, MONTHS[self.period] - 1), as_of

    def query(self, as_of: date) -> FiguresQuery:
        """Return the query of its figures."""
        first, last = self.days(as_of)
        return FiguresQuery(
            metrics=[self.metric], dimension=self.by, grain=self.grain, first=first, last=last, members=self.member,
            compare=self.compare,
        )  # fmt: skip

    def but(self, **changes: object) -> "Exploration":
        """Return this exploration with other values of some fields."""
        return self.model_copy(update=changes)

    def within(self, period_start: date, period_end: date) -> "Exploration | None":
        """Return the same in the days of one of its periods, in finer ones; None for a day."""
        if self.grain == "day":
            return None
        return self.but(grain=FINER[self.grain], period="own", first=period_start, last=period_end)

    def address(self) -> str:
        """Return the query of a page that holds all of it, without what is so by default."""
        values = self.model_dump(mode="json", exclude_defaults=True)
        return urlencode({"metric": self.metric, **values}, doseq=True)


def values_of(pairs: Iterable[tuple[str, str]]) -> dict[str, object]:
    """Return the values of an exploration from the pairs of an address; empty and foreign ones are left out."""
    values: dict[str, object] = {}
    for name, value in pairs:
        if name in ("member", "compare") and value:
            values[name] = [*values.get(name, []), value]  # type: ignore[misc]
        elif value and (name in Exploration.model_fields or name in ("from", "to")):
            values[name] = value
    return values
