"""Functions that make columns, constraints and tables, with the metadata that all tables of schema `app` belong to."""

from typing import Final

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Index,
    MetaData,
    Numeric,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import UUID
from sqlalchemy.sql.schema import SchemaItem
from sqlalchemy.types import UserDefinedType

SCHEMA: Final = "app"

metadata = MetaData(
    schema=SCHEMA,
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    },
)


class XID8(UserDefinedType[str]):
    """A 64-bit transaction id, which incremental ingestion compares with its watermark."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "xid8"


NOT_LANDED: Final = {"is_landed": False}  # `info` of a column that ingestion does not copy
OPERATIONAL_NAMES: Final[set[str]] = set()  # of the tables that operational_table made
Timestamp = DateTime(timezone=True)
Money = Numeric(14, 2)


def uuid_column(name: str, *, required: bool = True) -> Column[object]:
    return Column(name, UUID(as_uuid=True), nullable=not required)


def timestamp_column(name: str, *, required: bool = False) -> Column[object]:
    return Column(name, Timestamp, nullable=not required)


def text_column(name: str, *, required: bool = True, default: str | None = None) -> Column[str]:
    return Column(name, Text, nullable=not required, server_default=default)


def money_column(name: str) -> Column[object]:
    return Column(name, Money, nullable=False)


def currency_column() -> Column[str]:
    return Column("currency", Text, nullable=False)


def check(condition: str, *columns: str, name: str = "") -> CheckConstraint:
    """Return a CHECK with the name `name`, by default the first column. Data quality takes `columns` from it."""
    return CheckConstraint(condition, name or columns[0], info={"columns": columns})


def listed(values: tuple[str, ...]) -> str:
    """Return the values as a list in SQL."""
    return "(" + ", ".join(f"'{value}'" for value in values) + ")"


def one_of(column: str, values: tuple[str, ...]) -> CheckConstraint:
    """Return the CHECK that `column` has one of `values`."""
    return check(f"{column} in {listed(values)}", column)


def belongs_to(parent: str, column: str, *, cascade: bool = True) -> ForeignKeyConstraint:
    """Return the foreign key from `column` to `parent`, within the organisation. `cascade`: deleted with the parent."""
    return ForeignKeyConstraint(
        ["org_id", column],
        [f"{SCHEMA}.{parent}.org_id", f"{SCHEMA}.{parent}.id"],
        ondelete="CASCADE" if cascade else None,
    )


def hub_table(name: str, *items: SchemaItem) -> Table:
    """Return a table with id, org_id, created_at and updated_at. A column `currency` has to be an ISO 4217 code."""
    columns = [item for item in items if isinstance(item, Column)]
    constraints = [item for item in items if not isinstance(item, Column)]
    if any(column.name == "currency" for column in columns):
        constraints.append(check("currency ~ '^[A-Z]{3}$'", "currency"))
    return Table(
        name,
        metadata,
        Column("id", UUID(as_uuid=True), primary_key=True, server_default=text("uuidv7()")),
        Column("org_id", UUID(as_uuid=True), nullable=False),
        *columns,
        Column("created_at", Timestamp, nullable=False, server_default=text("now()")),
        Column("updated_at", Timestamp, nullable=False, server_default=text("now()")),
        UniqueConstraint("org_id", "id"),
        *constraints,
    )


def operational_table(name: str, *items: SchemaItem, in_organization: bool = True) -> Table:
    """Return a table that ingestion reads: a Hub table with row_version, which a trigger updates.

    A migration that adds such a table calls `make_operational` of sources/migrations/helpers.py.
    """
    version = Column("row_version", XID8(), nullable=False, server_default=text("pg_current_xact_id()"))
    owner = [ForeignKeyConstraint(["org_id"], [f"{SCHEMA}.organizations.id"], ondelete="CASCADE")]
    table = hub_table(name, *items, version, *(owner if in_organization else []))
    OPERATIONAL_NAMES.add(name)
    Index(None, table.c.row_version)
    return table
