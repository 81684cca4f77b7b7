"""Queries that every message needs: the organisation, and the names and units of metrics."""

from dataclasses import dataclass
from uuid import UUID

import psycopg

from sources.database import records


@dataclass(frozen=True)
class Organization:
    name: str
    currency: str
    timezone: str


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
        "select name, currency, timezone from raw.organizations where id = %(org)s and _deleted_at is null",
        {"org": org_id},
    )
    return Organization(**rows[0]) if rows else None


def metrics_by_name(connection: psycopg.Connection) -> dict[str, Metric]:
    """Return the metrics of kpi_daily by name; empty before the warehouse is built."""
    if not records(connection, "select 1 where to_regclass('marts.dim_metric') is not null", {}):
        return {}
    rows = records(connection, "select metric, label, unit from marts.dim_metric", {})
    return {row["metric"]: Metric(row["label"], row["unit"]) for row in rows}
