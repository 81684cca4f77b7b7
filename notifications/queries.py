"""Reading rows by name, and what messages say of an organisation."""

from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

Params = dict[str, Any]


@dataclass(frozen=True)
class Organization:
    name: str
    currency: str
    timezone: str


@dataclass(frozen=True)
class Metric:
    """How a metric of kpi_daily is named and measured."""

    label: str
    unit: str  # count, money or hours


def rows(connection: psycopg.Connection, query: LiteralString, params: Params) -> list[dict[str, Any]]:
    """Every row of `query` as a dict."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, params).fetchall()


def organization(connection: psycopg.Connection, org_id: UUID) -> Organization | None:
    """The organisation as it was last ingested; None before that."""
    if not rows(connection, "select 1 where to_regclass('raw.organizations') is not null", {}):
        return None
    found = rows(
        connection,
        "select name, currency, timezone from raw.organizations where id = %(org)s and _deleted_at is null",
        {"org": org_id},
    )
    return Organization(**found[0]) if found else None


def metrics(connection: psycopg.Connection) -> dict[str, Metric]:
    """The metrics of kpi_daily by name; empty before the warehouse is built."""
    if not rows(connection, "select 1 where to_regclass('marts.dim_metric') is not null", {}):
        return {}
    found = rows(connection, "select metric, label, unit from marts.dim_metric", {})
    return {row["metric"]: Metric(row["label"], row["unit"]) for row in found}
