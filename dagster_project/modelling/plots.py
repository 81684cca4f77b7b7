"""Plots of the forecasts and anomalies in the Dagster UI: the pictures of the digest and of the alerts."""

from base64 import b64encode
from collections.abc import Callable
from datetime import date
from typing import Any, Final
from uuid import UUID

import dagster as dg
import psycopg

from notifications import charts
from notifications.digest.queries import revenue_plot
from notifications.messages import Plot
from notifications.queries import find_organization, metrics_by_name
from notifications.rendering import recent_days
from sources.database import records
from sources.formatting import in_locale

PLOT: Final = "plot"  # the name of the metadata
RECENT_DAYS: Final = 28  # of anomalies, as in the search for them
SIZED_DAYS: Final = 91  # whose bookings say which organisation is the largest


def plot_of_largest(
    connection: psycopg.Connection, plot_of: Callable[[psycopg.Connection, UUID, date], Plot | None]
) -> dict[str, Any]:
    """Return the picture of `plot_of` (organisation, as_of) for the organisation with the most bookings, as metadata.

    Of one organisation only, because Dagster keeps the picture (50 to 80 kB) of each run. Empty where there is no plot.
    """
    largest = records(
        connection,
        """
        select organizations.org_id, organizations.as_of
        from marts.dim_organization as organizations
        cross join lateral (
            select coalesce(sum(kpis.value), 0) as bookings from marts.kpi_daily as kpis
            where kpis.org_id = organizations.org_id and kpis.metric = 'bookings_created'
                and kpis.dimension = 'total' and kpis.member = 'all'
                and kpis.day > organizations.as_of - %(days)s::integer
        ) as sizes
        where organizations.as_of is not null
        order by sizes.bookings desc, organizations.org_id
        limit 1
        """,
        {"days": SIZED_DAYS},
    )
    organization = find_organization(connection, largest[0]["org_id"]) if largest else None
    if organization is None:
        return {}
    with in_locale(organization.locale):
        plot = plot_of(connection, largest[0]["org_id"], largest[0]["as_of"])
    if plot is None:
        return {}
    picture = b64encode(charts.png(plot)).decode()
    return {PLOT: dg.MetadataValue.md(f"{organization.name}\n\n![{plot.description}](data:image/png;base64,{picture})")}


def last_plot(instance: dg.DagsterInstance, key: dg.AssetKey) -> dict[str, Any]:
    """Return the plot of the last materialization, for figures that are unchanged: drawing takes half a second."""
    last = instance.get_latest_materialization_event(key)
    metadata = last.asset_materialization.metadata if last and last.asset_materialization else {}
    return {PLOT: metadata[PLOT]} if PLOT in metadata else {}


def forecast_plot(connection: psycopg.Connection, org_id: UUID, as_of: date) -> Plot | None:
    """Return the plot of the digest: realized revenue, and its forecast with the 80 % range."""
    organization = find_organization(connection, org_id)
    return revenue_plot(connection, org_id, as_of, organization.currency) if organization else None


def anomaly_plot(connection: psycopg.Connection, org_id: UUID, as_of: date) -> Plot | None:
    """Return the plot of an alert: the days up to the rarest anomaly of a total in the last RECENT_DAYS, or None."""
    rarest = records(
        connection,
        """
        select org_id, metric, dimension, member, day from ml.anomalies
        where org_id = %(org)s and is_anomaly and dimension = 'total'
            and day > %(day)s - %(days)s::integer and day <= %(day)s
        order by score desc, day desc, metric
        limit 1
        """,
        {"org": org_id, "day": as_of, "days": RECENT_DAYS},
    )
    metrics = metrics_by_name(connection)
    return recent_days(connection, rarest[0], metrics[rarest[0]["metric"]]) if rarest else None
