"""The model of an import mapping (YAML): what a mapping file may say, and the sentence for what is wrong with it.

docs/importing.md explains the format to the people who write mappings.
"""

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final, get_args
from zoneinfo import ZoneInfo

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from sources.errors import HubError
from sources.importing.expressions import closest
from sources.importing.reading import Format
from sources.lifecycle import STATUSES

SHIPPED: Final = Path(__file__).parent.parent / "mappings"
FINAL: Final = "final"  # an event's status: whatever the booking's own status is


class Section(BaseModel):
    """A part of the mapping file: what it does not know is an error, never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Source(Section):
    """Where a value comes from: an expression, a column or a constant; then perhaps a value map."""

    expression: str | None = None
    column: str | None = None
    constant: str | None = None
    values: dict[str, str] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> "Source":
        if sum(given is not None for given in (self.expression, self.column, self.constant)) != 1:
            raise ValueError("give exactly one of expression, column and constant")
        return self


def _from_text(given: Any) -> Any:
    return {"expression": given} if isinstance(given, str) else given


def _listed(given: Any) -> Any:
    return (given,) if isinstance(given, str) else given


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"there is no time zone '{name}'; write one such as Europe/Lisbon") from None
    return name


def _known_status(name: str) -> str:
    if name not in (*STATUSES, FINAL):
        raise ValueError(f"there is no status '{name}'{closest(name, (*STATUSES, FINAL))}")
    return name


Value = Annotated[Source, BeforeValidator(_from_text)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Zone = Annotated[str, AfterValidator(_known_zone)]


class Organization(Section):
    """The organisation that the rows belong to: found by its slug, or created."""

    name: str = Field(min_length=1, description="the name of the business")
    slug: str = Field(
        pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", description="small letters, digits and single hyphens such as my-business"
    )
    timezone: Zone = Field(description="a time zone such as Europe/Lisbon")
    currency: str = Field(pattern=r"^[A-Z]{3}$", description="three capital letters such as EUR")
    country: str | None = Field(None, pattern=r"^[A-Z]{2}$", description="two capital letters such as PT")
    # Of each provider for whom nothing else is mapped, on a working day.
    capacity_hours_per_day: Decimal | None = Field(None, ge=0, le=24, description="a number of hours from 0 to 24")


# --- what a row can become: one section for each kind of record ----------------------------------


class Named(Section):
    """A record that is known by its reference in the source or by its name."""

    name: Value | None = None
    external_ref: Value | None = None

    @model_validator(mode="after")
    def _has_identity(self) -> "Named":
        if self.name is None and self.external_ref is None:
            raise ValueError("give a name, or an external_ref under which another file gives the name")
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
    currency: Value | None = None
    scheduled_start: Value | None = None
    scheduled_end: Value | None = None
    progress_pct: Value | None = None
    cancel_reason: Value | None = None
    cancelled_at: Value | None = None
    completed_at: Value | None = None


class Conditional(Section):
    """A kind of record that not every row of its file has to give."""

    condition: str | None = Field(None, alias="if")


class Sale(Conditional):
    """What was sold on the spot: a booking that is completed at the moment of the sale."""

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
            raise ValueError("give booking or invoice: what the payment is for")
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


class Event(Section):
    """A row of booking_status_history: the status, when it came, and under which condition there is one."""

    status: Annotated[str, AfterValidator(_known_status)]
    when: str
    condition: str | None = Field(None, alias="if")


class Records(Section):
    """What the rows of one file become.

    With `booking` or `sale`, the sections service, client and provider are those of the booking; without, each is
    a record of its own.
    """

    match: Texts = ()  # patterns of the file's name; empty: recognised by the columns that it has
    format: Format = Format()
    timezone: Zone | None = None  # in which the times of the file are meant; absent: the organisation's
    key: Texts = ()  # empty: the digest of the row and its occurrence in the file
    let: dict[str, Value] = {}
    booking: Booking | None = None
    sale: Sale | None = None
    service: Service | None = None
    client: Client | None = None
    provider: Provider | None = None
    history: tuple[Event, ...] | None = None
    line: Line | None = None
    invoice: Invoice | None = None
    payment: Payment | None = None
    review: Review | None = None
    hours: Hours | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> "Records":
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
        """The sections that the file fills, by name."""
        named = {name: getattr(self, name) for name in RECORD_SECTIONS}
        return {name: section for name, section in named.items() if section is not None}


RECORD_SECTIONS: Final = (
    "booking", "sale", "service", "client", "provider", "line", "invoice", "payment", "review", "hours",
)  # fmt: skip


class ImportMapping(Records):
    """A whole mapping file: of one file of bookings, or of several related ones under `files`."""

    name: str = Field(pattern=r"^[a-z0-9_]+$", description="small letters, digits and _ such as my_bookings")
    description: str = ""
    organization: Organization
    files: dict[str, Records] = {}

    @model_validator(mode="after")
    def _is_of_one_file_or_several(self) -> "ImportMapping":
        own = [*self.sections(), *(name for name in ("match", "key", "let", "history") if getattr(self, name))]
        if self.files and own:
            raise ValueError(f"{own[0]} belongs to one of the files: write it there, under `files`")
        if not self.files and not self.sections():
            raise ValueError("give a section booking (with service and client), or several files under `files`")
        parts = self.files_by_name().values()
        if any(part.booking and not part.service for part in parts) and not any(
            part.line and part.line.service for part in parts
        ):
            raise ValueError("a booking needs a section service beside it, or lines that name their service")
        return self

    def files_by_name(self) -> dict[str, Records]:
        """What each file becomes, with its format complete; the only file has the name of the mapping."""
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


def find_mapping(name: str) -> Path:
    """The file of a mapping, given its path or the name of one that is shipped.

    Raises HubError that lists the shipped ones.
    """
    path = Path(name)
    if path.is_file():
        return path
    shipped = {file.stem: file for file in sorted(SHIPPED.glob("*.yml"))}
    if name in shipped:
        return shipped[name]
    raise HubError(f"There is no mapping '{name}': give the path of a file, or one of {', '.join(shipped)}.")


def load_mapping(path: Path) -> ImportMapping:
    """Read and check a mapping file. Raises HubError that names the first thing that is wrong."""
    try:
        # Every scalar stays the text that was written: NO is no boolean, and 0.10 no binary float.
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise HubError(f"The mapping {path} cannot be read: {error}.") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "wrong syntax"
        raise HubError(f"The mapping {path}{where} is not YAML: {problem}.") from None
    if not isinstance(content, dict):
        raise HubError(f"{path.name} is not a mapping: it begins with fields such as name and organization.")
    try:
        return ImportMapping.model_validate(content)
    except ValidationError as error:
        raise HubError(f"{path.name}: {_first_fault(error)}.") from None


def _first_fault(error: ValidationError) -> str:
    # A misspelt field comes first: the field that is missing then is often the same one.
    fault = min(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden")
    where = ".".join(str(part) for part in fault["loc"]) or "the file"
    if fault["type"] == "extra_forbidden":
        name = str(fault["loc"][-1])
        return f"there is no field '{where}'{closest(name, _fields_at(fault['loc'][:-1]))}"
    return f"{where}: {_advice(fault)}"


def _advice(fault: ErrorDetails) -> str:
    """What is wrong with a field, and what to write instead."""
    given = fault["input"]
    described = _description_at(fault["loc"])
    match fault["type"]:
        case "missing":
            return f"the field is missing; write {described}" if described else "the field is missing"
        case "literal_error":
            allowed = fault["ctx"]["expected"].replace(" or ", ", ")
            return f"'{given}' cannot be; write one of {allowed}"
        case "value_error":
            return fault["msg"].removeprefix("Value error, ")
        case "model_type" | "dict_type" | "dict_attributes_type" | "model_attributes_type":
            return "fields are expected here, each on a line of its own and indented"
        case "tuple_type" | "list_type":
            return "a list is expected here, such as [first, second]"
        case "string_type":
            return "a text is expected here"
    if described:
        return f"'{given}' cannot be; write {described}"
    message = fault["msg"]
    return f"'{given}' cannot be: {message[0].lower()}{message[1:]}"


def _fields_at(location: tuple[int | str, ...]) -> list[str]:
    """The field names that the mapping model has at `location`."""
    return [field.alias or name for name, field in _model_at(location).model_fields.items()]


def _description_at(location: tuple[int | str, ...]) -> str | None:
    field = _model_at(location[:-1]).model_fields.get(str(location[-1])) if location else None
    return field.description if field else None


def _model_at(location: tuple[int | str, ...]) -> type[BaseModel]:
    model: type[BaseModel] = ImportMapping
    for part in location:
        if isinstance(part, str) and part in model.model_fields:
            model = _model_in(model.model_fields[part].annotation) or model
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)
