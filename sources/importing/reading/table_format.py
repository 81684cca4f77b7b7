"""Format of a table file: the properties that a mapping gives (Format), and all properties after detection (Layout)."""

import codecs
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

DateOrder = Literal["day first", "month first", "year first"]

DELIMITERS: Final = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}


def _check_encoding(name: str) -> str:
    try:
        codecs.lookup(name)
    except LookupError:
        raise ValueError(f"there is no encoding '{name}'; write one such as utf-8 or cp1252") from None
    # The byte order mark that spreadsheets write is not part of the name of the first column.
    return "utf-8-sig" if codecs.lookup(name).name == "utf-8" else name


class Format(BaseModel):
    """The properties of a file that the mapping gives; those that are absent are detected in the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    table: str | None = None  # the sheet of a workbook, the file in a zip
    header: int | None = Field(None, ge=1)  # the line of the header
    encoding: Annotated[str, AfterValidator(_check_encoding)] | None = None
    delimiter: str | None = Field(None, min_length=1, max_length=1)
    decimal: Literal[".", ","] | None = None
    thousands: Literal["", ".", ",", " ", "'"] | None = None
    date_order: DateOrder | None = None
    nulls: tuple[str, ...] = ("",)

    @model_validator(mode="after")
    def _marks_differ(self) -> "Format":
        if self.decimal is not None and self.decimal == self.thousands:
            raise ValueError("decimal and thousands have to differ")
        return self


@dataclass(frozen=True)
class Layout:
    """The properties of a table: those of the mapping, and otherwise those that its first rows show."""

    header: int = 1
    encoding: str | None = None  # None: a workbook, which has neither encoding nor delimiter
    delimiter: str | None = None
    decimal: str = "."
    thousands: str = ""
    date_order: DateOrder | None = None  # None: ambiguous
    nulls: frozenset[str] = frozenset({""})
    given: frozenset[str] = field(default=frozenset())  # the names of the properties in the mapping

    def description(self) -> str:
        """Return the properties to check, such as "delimiter: semicolon (found); encoding: cp1252 (given)"."""
        parts = {
            "delimiter": ("delimiter", DELIMITERS.get(self.delimiter or "", self.delimiter)),
            "encoding": ("encoding", self.encoding and self.encoding.removesuffix("-sig")),
            "header": ("header on line", str(self.header)),
            "decimal": ("decimal sign", self.decimal),
            "thousands": ("thousands", repr(self.thousands) if self.thousands else None),
            "date_order": ("dates", self.date_order),
        }
        return "; ".join(
            f"{label}: {value} ({'given' if name in self.given else 'found'})"
            for name, (label, value) in parts.items()
            if value
        )
