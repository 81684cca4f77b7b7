"""Types of the values in requests and responses."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Final
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetPydanticSchema, StringConstraints
from pydantic_core import core_schema

EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)


def _in_range(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("a time zone is required, such as 2026-05-04T09:00:00+02:00")
    if not EARLIEST <= value < LATEST:
        raise ValueError(f"the moment must lie between {EARLIEST:%Y} and {LATEST:%Y}")
    return value


Moment = Annotated[datetime, AfterValidator(_in_range)]
Money = Annotated[Decimal, Field(max_digits=14, decimal_places=2)]
Price = Annotated[Decimal, Field(max_digits=12, decimal_places=2, ge=0)]
# Without control characters: PostgreSQL stores no NUL, and titles are one line.
Line = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")
]
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^\x00]+$")]
Note = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=5000, pattern=r"^[^\x00]+$")]
Weekdays = Annotated[
    list[Annotated[int, Field(ge=1, le=7)]],
    AfterValidator(lambda days: sorted(set(days))),
    Field(min_length=1, max_length=7, description="ISO weekdays: 1 is Monday, 7 Sunday.", examples=[[1, 2, 3, 4, 5]]),
]


def one_of(values: tuple[str, ...]) -> GetPydanticSchema:
    """Return the annotation of a string that is one of `values`: validated and documented like a Literal of them."""
    return GetPydanticSchema(lambda _source, _handler: core_schema.literal_schema(list(values)))


class Request(BaseModel):
    """Base class of request bodies and queries: an unknown field is an error, never silently dropped."""

    model_config = ConfigDict(extra="forbid")


class Named(BaseModel):
    """A reference to a row by id, with its name."""

    id: UUID
    name: str
