"""Queries that every message needs: the organisation, and the names and units of metrics."""

from dataclasses import dataclass, fields
from uuid import UUID

import psycopg

from sources.database import records
from sources.row_values import DEFAULT_LOCALE


@dataclass(frozen=True)
class Organization:
    name: str
    currency: str
    timezone: str
    locale: str = DEFAULT_LOCALE


@dataclass(frozen=True)
class Metric:
    """The name and unit of a metric of kpi_daily."""

    label: str
    unit: str  # count, money or hours


def find_organization(connection: psycopg.Connection, org_id: UUID) -> Organization | None:
    """Return the organisation as last ingested; None before that."""
    if not records(connection, "select 1 where to_regclass('raw.organizations') is not null", {}):
        return None
    rows = records(
        connection,
        "select * from raw.organizations where id = %(org)s and _deleted_at is null",
        {"org": org_id},
    )
    if not rows:
        return None
    row = {"locale": DEFAULT_LOCALE, **rows[0]}  # rows that were landed before an upgrade have none
    return Organization(**{field.name: row[field.name] for field in fields(Organization)})


def metrics_by_name(connection: psycopg.Connection) -> dict[str, Metric]:
    """Return the metrics of kpi_daily by name; empty before the warehouse is built."""
    if not records(connection, "select 1 where to_regclass('marts.dim_metric') is not null", {}):
        return {}
    rows = records(connection, "select metric, label, unit from marts.dim_metric", {})
    return {row["metric"]: Metric(row["label"], row["unit"]) for row in rows}
