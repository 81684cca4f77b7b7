"""The model of an import mapping (YAML), and its compilation against the header of a file.

docs/importing.md explains the format to the people who write mappings.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
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

from sources.errors import HubError
from sources.importing.expressions import (
    Expression,
    Scope,
    closest,
    column_expression,
    compile_expression,
    constant,
    converted,
    looked_up,
    remembered,
)
from sources.importing.functions import Dialect, Kind, Wrong
from sources.importing.reading import Format, Layout
from sources.lifecycle import STATUSES

SHIPPED: Final = Path(__file__).parent.parent / "mappings"
ROW_KEY: Final = "row_key"  # a column that every file has: the digest of the row and its occurrence
FINAL: Final = "final"  # an event's status: whatever the booking's own status is

# What each target column takes, where it is not text; and by which function a bare column becomes it.
KINDS: Final[Mapping[str, tuple[Kind, str]]] = {
    "total_amount": ("number", "money"),
    "service_base_price": ("number", "money"),
    "service_duration_hours": ("number", "number"),
    "provider_capacity_hours_per_day": ("number", "number"),
    "progress_pct": ("number", "number"),
    "scheduled_start": ("instant", ""),
    "scheduled_end": ("instant", ""),
    "cancelled_at": ("instant", ""),
    "completed_at": ("instant", ""),
    "created_at": ("instant", ""),
}


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


class Organization(Section):
    """The organisation that the rows belong to: found by its slug, or created."""

    name: str = Field(min_length=1)
    slug: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    timezone: Annotated[str, AfterValidator(_known_zone)]
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    country: str | None = Field(None, pattern=r"^[A-Z]{2}$")


class Service(Section):
    name: Value
    external_ref: Value | None = None
    category: Value | None = None
    base_price: Value | None = None
    duration_hours: Value | None = None


class Client(Section):
    name: Value
    external_ref: Value | None = None
    email: Value | None = None
    client_group: Value | None = None


class Provider(Section):
    name: Value
    external_ref: Value | None = None
    email: Value | None = None
    capacity_hours_per_day: Value | None = None


class Booking(Section):
    status: Value
    total_amount: Value
    created_at: Value
    booking_number: Value | None = None
    title: Value | None = None
    currency: Value | None = None
    scheduled_start: Value | None = None
    scheduled_end: Value | None = None
    progress_pct: Value | None = None
    cancel_reason: Value | None = None
    cancelled_at: Value | None = None
    completed_at: Value | None = None


class Event(Section):
    """A row of booking_status_history: the status, when it came, and under which condition there is one."""

    status: Annotated[str, AfterValidator(_known_status)]
    when: str
    condition: str | None = Field(None, alias="if")


class ImportMapping(Section):
    """A whole mapping file."""

    name: str = Field(pattern=r"^[a-z0-9_]+$")
    description: str = ""
    format: Format = Format()
    organization: Organization
    key: tuple[str, ...] = ()  # empty: the digest of the row and its occurrence in the file
    let: dict[str, Value] = {}
    service: Service
    client: Client
    provider: Provider | None = None
    booking: Booking
    history: tuple[Event, ...] = (Event(status=FINAL, when="coalesce(completed_at, cancelled_at, created_at)"),)


# The sections that fill a row, and the target columns of them all: client.email is client_email.
SECTIONS: Final[Mapping[str, type[Section]]] = {
    "booking": Booking,
    "service": Service,
    "client": Client,
    "provider": Provider,
}
TARGETS: Final = tuple(
    target if section == "booking" else f"{section}_{target}"
    for section, model in SECTIONS.items()
    for target in model.model_fields
)


@dataclass(frozen=True)
class Plan:
    """A mapping compiled against a header.

    `fields` are the target columns (a service's begin with service_, and so on); `events` are triples of
    status (None: the booking's own), time and condition; without a `key` the digest of a row identifies it.
    """

    key: Sequence[Expression]
    fields: Mapping[str, Expression]
    events: Sequence[tuple[str | None, Expression, Expression | None]]


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
    try:
        return ImportMapping.model_validate(content)
    except ValidationError as error:
        raise HubError(f"{path.name}: {_first_fault(error)}.") from None


def compile_mapping(mapping: ImportMapping, header: Sequence[str], layout: Layout, mapping_name: str) -> Plan:
    """Compile every expression of `mapping` for a table with `header` that is written as `layout` says.

    Raises HubError, "<mapping_name>: <field>: ...", for an unknown column or name and for a bad expression.
    """
    zone = ZoneInfo(mapping.organization.timezone)
    dialect = Dialect(zone, layout.decimal, layout.thousands, layout.nulls)
    columns = [
        *header,
        "row_key",
    ]  # row_key: the digest of the row and its occurrence, for numbers and titles
    names: dict[str, Expression] = {}
    scope = Scope(columns, names, dialect)
    for name, source in mapping.let.items():
        with _located(mapping_name, f"let.{name}"):
            if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) or name in columns:
                raise Wrong("a name of `let` is a word that is not a column of the file")
            names[name] = remembered(name, _from_source(source, scope))
    fields = {}
    for section, target, source in _targets(mapping):
        with _located(mapping_name, f"{section}.{target}"):
            column = target if section == "booking" else f"{section}_{target}"
            kind, function = KINDS.get(column, ("text", "text"))
            value = converted(_from_source(source, scope), kind, function, dialect)
            fields[column] = remembered(f"{section}.{target}", value)
    with _located(mapping_name, "key"):
        key = [converted(compile_expression(part, scope), "text", "text", dialect) for part in mapping.key]
    booking = {target: fields[target] for target in Booking.model_fields if target in fields}
    absent = {target: constant("null", None) for target in Booking.model_fields if target not in fields}
    events = [
        _compiled_event(mapping_name, event, Scope(columns, names | booking | absent, dialect))
        for event in mapping.history
    ]
    return Plan(key, fields, events)


def _compiled_event(mapping_name: str, event: Event, scope: Scope) -> tuple[str | None, Expression, Expression | None]:
    with _located(mapping_name, f"history.{event.status}"):
        when = converted(compile_expression(event.when, scope), "instant", "", scope.dialect)
        condition = compile_expression(event.condition, scope) if event.condition else None
        if condition and condition.kind != "truth":
            raise Wrong(f"`if` is a condition such as status == 'completed', not `{event.condition}`")
    return None if event.status == FINAL else event.status, when, condition


def _from_source(source: Source, scope: Scope) -> Expression:
    if source.column is not None:
        expression = column_expression(source.column, scope)
    elif source.constant is not None:
        expression = constant("text", source.constant)
    else:
        expression = compile_expression(source.expression or "", scope)
    return looked_up(expression, source.values, scope.dialect) if source.values else expression


def _targets(mapping: ImportMapping) -> Iterator[tuple[str, str, Source]]:
    for section, model in SECTIONS.items():
        part = getattr(mapping, section)
        for target in model.model_fields if part else ():
            source = getattr(part, target)
            if source is not None:
                yield section, target, source


@contextmanager
def _located(mapping_name: str, where: str) -> Iterator[None]:
    try:
        yield
    except Wrong as wrong:
        raise HubError(f"{mapping_name}: {where}: {wrong}.") from None


def _first_fault(error: ValidationError) -> str:
    # A misspelt field comes first: the field that is missing then is often the same one.
    fault = min(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden")
    where = ".".join(str(part) for part in fault["loc"]) or "the file"
    if fault["type"] == "extra_forbidden":
        name = str(fault["loc"][-1])
        return f"there is no field '{where}'{closest(name, _fields_at(fault['loc'][:-1]))}"
    message = fault["msg"].removeprefix("Value error, ")
    return f"{where}: {message[0].lower()}{message[1:]}"


def _fields_at(location: tuple[int | str, ...]) -> list[str]:
    """The field names that the mapping model has at `location`."""
    model: type[BaseModel] = ImportMapping
    for part in location:
        if isinstance(part, str) and part in model.model_fields:
            model = _model_in(model.model_fields[part].annotation) or model
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)
