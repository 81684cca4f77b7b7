"""Model of an import mapping (YAML): the fields that a mapping file may have.

docs/importing.md explains the format to the people who write mappings.
"""

from decimal import Decimal
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from sources.importing.expressions import closest
from sources.importing.reading import Format
from sources.lifecycle import STATUSES

FINAL: Final = "final"  # as the status of a history entry: the booking's own status


class Section(BaseModel):
    """A part of the mapping file. An unknown field is an error, never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Source(Section):
    """The source of a value: an expression, a column or a constant; optionally followed by a value map."""

    expression: str | None = None
    column: str | None = None
    constant: str | None = None
    values: dict[str, str] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> "Source":
        if sum(source is not None for source in (self.expression, self.column, self.constant)) != 1:
            raise ValueError("give exactly one of expression, column and constant")
        return self


def _from_text(value: Any) -> Any:
    return {"expression": value} if isinstance(value, str) else value


def _as_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _check_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"there is no time zone '{name}'; write one such as Europe/Lisbon") from None
    return name


def _check_status(name: str) -> str:
    if name not in (*STATUSES, FINAL):
        raise ValueError(f"there is no status '{name}'{closest(name, (*STATUSES, FINAL))}")
    return name


Value = Annotated[Source, BeforeValidator(_from_text)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]
Zone = Annotated[str, AfterValidator(_check_zone)]


class Organization(Section):
    """The organisation that the rows belong to: found by its slug, or inserted."""

    name: str = Field(min_length=1, description="the name of the business")
    slug: str = Field(
        pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", description="small letters, digits and single hyphens such as my-business"
    )
    timezone: Zone = Field(description="a time zone such as Europe/Lisbon")
    currency: str = Field(pattern=r"^[A-Z]{3}$", description="three capital letters such as EUR")
    country: str | None = Field(None, pattern=r"^[A-Z]{2}$", description="two capital letters such as PT")
    # Of each provider without a capacity of their own, on a working day.
    capacity_hours_per_day: Decimal | None = Field(None, ge=0, le=24, description="a number of hours from 0 to 24")


# --- one section for each kind of record ----------------------------------------------------------


class Named(Section):
    """A record that is identified by its reference in the source or by its name."""

    name: Value | None = None
    external_ref: Value | None = None

    @model_validator(mode="after")
    def _has_identity(self) -> "Named":
        if self.name is None and self.external_ref is None:
            raise ValueError("give a name, or an external_ref whose name is in another file")
        return self


class Service(Named):
    category: Value | None = None
    base_price: Value | None = None
    duration_hours: Value | None = None


class Client(Named):
    email: Value | None = None
    client_group: Value | None = None


class Provider(Named):
    email: Value | None = None
    capacity_hours_per_day: Value | None = None


class Booking(Section):
    status: Value
    total_amount: Value | None = None  # without it: the sum of the booking's lines
    created_at: Value | None = None  # without it: unknown
    booking_number: Value | None = None
    title: Value | None = None
    channel: Value | None = None
    currency: Value | None = None
    scheduled_start: Value | None = None
    scheduled_end: Value | None = None
    progress_pct: Value | None = None
    cancel_reason: Value | None = None
    cancelled_at: Value | None = None
    completed_at: Value | None = None


class Conditional(Section):
    """A kind of record that a row of the file yields only if a condition holds."""

    condition: str | None = Field(None, alias="if")


class Sale(Conditional):
    """A sale without an appointment: a booking that is completed at the time of the sale."""

    sold_at: Value
    total_amount: Value
    booking_number: Value | None = None
    title: Value | None = None
    currency: Value | None = None


class Line(Conditional):
    """One of the services of a booking, by the references of booking, service and provider in the source."""

    booking: Value
    service: Value | None = None
    provider: Value | None = None
    description: Value | None = None
    quantity: Value | None = None
    unit_price: Value | None = None
    amount: Value | None = None

    @model_validator(mode="after")
    def _has_an_amount(self) -> "Line":
        if self.amount is None and self.unit_price is None:
            raise ValueError("give amount, or unit_price (with quantity where it is not 1)")
        return self


class Invoice(Conditional):
    booking: Value
    amount: Value
    number: Value | None = None  # without it: the key
    currency: Value | None = None
    status: Value | None = None
    issued_at: Value | None = None
    due_at: Value | None = None


class Payment(Conditional):
    amount: Value
    booking: Value | None = None
    invoice: Value | None = None
    currency: Value | None = None
    kind: Value | None = None
    status: Value | None = None
    method: Value | None = None
    paid_at: Value | None = None

    @model_validator(mode="after")
    def _is_for_something(self) -> "Payment":
        if self.booking is None and self.invoice is None:
            raise ValueError("give booking or invoice: the payment has to be for one of them")
        return self


class Review(Conditional):
    booking: Value
    rating: Value
    reviewed_at: Value
    comment: Value | None = None


class Hours(Conditional):
    """Worked time: from started_at to ended_at, or for a number of hours."""

    booking: Value
    started_at: Value
    provider: Value | None = None  # without it: the provider of the booking
    ended_at: Value | None = None
    hours: Value | None = None
    note: Value | None = None

    @model_validator(mode="after")
    def _has_one_end(self) -> "Hours":
        if (self.ended_at is None) == (self.hours is None):
            raise ValueError("give either ended_at or hours")
        return self


class HistoryEntry(Section):
    """A row of booking_status_history: the status, its time, and the condition for the row."""

    status: Annotated[str, AfterValidator(_check_status)]
    when: str
    condition: str | None = Field(None, alias="if")


class FileMapping(Section):
    """The mapping of one file: the records that its rows become.

    With `booking` or `sale`, the sections service, client and provider are those of the booking; without, each is
    a record of its own.
    """

    match: Texts = ()  # patterns of the file's name; empty: the file is recognised by its columns
    format: Format = Format()
    timezone: Zone | None = None  # of the times in the file; absent: the organisation's
    key: Texts = ()  # empty: the digest of the row and its occurrence in the file
    let: dict[str, Value] = {}
    booking: Booking | None = None
    sale: Sale | None = None
    service: Service | None = None
    client: Client | None = None
    provider: Provider | None = None
    history: tuple[HistoryEntry, ...] | None = None
    line: Line | None = None
    invoice: Invoice | None = None
    payment: Payment | None = None
    review: Review | None = None
    hours: Hours | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> "FileMapping":
        if self.booking and self.sale:
            raise ValueError("a file has either booking or sale: list it twice under `files` where it has both")
        if self.history and not self.booking:
            raise ValueError("history belongs to a section booking")
        if self.booking and not self.client:
            raise ValueError("a booking needs a section client beside it")
        if self.sale and not self.service:
            raise ValueError("a sale needs a section service beside it")
        return self

    def sections(self) -> dict[str, Section]:
        """Return the sections of the file, by name."""
        named = {name: getattr(self, name) for name in SECTIONS}
        return {name: section for name, section in named.items() if section is not None}

    def kinds(self) -> set[str]:
        """Return the kinds of records that the rows become, without those nested in a booking."""
        names = set(self.sections())
        return names - {"sale", *MASTER_KINDS} | {"booking"} if self.booking or self.sale else names


# Kinds of master data. The columns of bookings that describe master data begin with its kind, such as client_name.
MASTER_KINDS: Final = ("service", "client", "provider")
SECTIONS: Final = (
    "booking", "sale", "service", "client", "provider", "line", "invoice", "payment", "review", "hours",
)  # fmt: skip


class ImportMapping(FileMapping):
    """A whole mapping: of one file of bookings, or of several related ones under `files`."""

    name: str = Field(pattern=r"^[a-z0-9_]+$", description="small letters, digits and _ such as my_bookings")
    description: str = ""
    organization: Organization
    files: dict[str, FileMapping] = {}

    @model_validator(mode="after")
    def _is_of_one_file_or_several(self) -> "ImportMapping":
        own = [*self.sections(), *(name for name in ("match", "key", "let", "history") if getattr(self, name))]
        if self.files and own:
            raise ValueError(f"{own[0]} belongs to one of the files: write it there, under `files`")
        if not self.files and not self.sections():
            raise ValueError("give a section booking (with service and client), or several files under `files`")
        mappings = self.files_by_name().values()
        if any(mapping.booking and not mapping.service for mapping in mappings) and not any(
            mapping.line and mapping.line.service for mapping in mappings
        ):
            raise ValueError("a booking needs a section service beside it, or lines that name their service")
        return self

    def files_by_name(self) -> dict[str, FileMapping]:
        """Return the mapping of each file, with its format complete; a single file has the name of the mapping."""
        if not self.files:
            return {self.name: self}
        common = self.format.model_dump(exclude_unset=True)
        return {
            name: records.model_copy(
                update={
                    "format": Format(**common | records.format.model_dump(exclude_unset=True)),
                    "timezone": records.timezone or self.timezone,
                }
            )
            for name, records in self.files.items()
        }
