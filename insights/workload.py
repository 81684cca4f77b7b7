"""Rule `workload`: providers whose expected hours of the next WORKLOAD_DAYS days exceed their available hours."""

from typing import Any, Final, LiteralString

import pandas as pd
import psycopg

from insights.findings import Finding, named_drivers
from insights.narrative import with_texts
from insights.organizations import Organization
from insights.severity_thresholds import WORKLOAD_SHARES
from sources.database import records
from sources.insight_values import WORKLOAD_DAYS

LOADS: Final[LiteralString] = """
    select loads.provider_id::text as member, providers.provider_name as member_name, loads.day,
        loads.expected_hours::float8, loads.available_hours::float8, loads.overload_hours::float8, loads.will_overload
    from ml.provider_workload as loads
    inner join marts.dim_provider as providers on providers.provider_id = loads.provider_id
    where loads.org_id = %(org_id)s and loads.as_of = %(as_of)s and loads.day <= %(as_of)s::date + %(days)s
    order by loads.day, member
"""


def workload_findings(connection: psycopg.Connection, organization: Organization) -> list[Finding] | None:
    """Return one finding if providers have substantially more work than hours in WORKLOAD_DAYS, else none.

    None where no available hours are recorded, or where the data have ended.
    """
    if not organization.knows_capacity or organization.has_ended:
        return None
    loads = pd.DataFrame(_loads(connection, organization))
    available = float(loads["available_hours"].sum()) if len(loads) else 0.0
    if not available:
        return []
    overloaded = loads[loads["will_overload"]]
    beyond = float(overloaded["overload_hours"].sum())
    severity = next((name for name, least in WORKLOAD_SHARES.items() if beyond / available >= least), None)
    if severity is None:
        return []
    providers = _overloaded_providers(overloaded)
    return with_texts(
        organization,
        [
            {
                "kind": "workload",
                "metric": "booked_hours",
                "label": "workload",
                "unit": "hours",
                "dimension": "total",
                "member": "all",
                "member_name": "all",
                "day": organization.as_of,
                "started_on": organization.as_of,
                "value": round(float(loads["expected_hours"].sum()), 2),
                "expected": round(available, 2),
                "lower": None,
                "upper": None,
                "impact": None,
                "providers": len(providers),
                "first_day": overloaded["day"].min(),
                "beyond": round(beyond, 2),
                "horizon": WORKLOAD_DAYS,
                "severity": severity,
                "direction": "up",
                "good_direction": "down",
                "drivers": named_drivers(providers, "provider"),
            }
        ],
    )


def will_overload(connection: psycopg.Connection, organization: Organization) -> bool:
    """Return True if some provider will have more work than hours on one of the next WORKLOAD_DAYS days."""
    return organization.knows_capacity and any(row["will_overload"] for row in _loads(connection, organization))


def _loads(connection: psycopg.Connection, organization: Organization) -> list[dict[str, Any]]:
    parameters = {"org_id": organization.id, "as_of": organization.as_of, "days": WORKLOAD_DAYS}
    return records(connection, LOADS, parameters)


def _overloaded_providers(overloaded: pd.DataFrame) -> pd.DataFrame:
    """Return one row per provider, the most overloaded first, in the columns of drivers."""
    hours = ["expected_hours", "available_hours", "overload_hours"]
    providers = overloaded.groupby(["member", "member_name"], as_index=False)[hours].sum()
    return providers.sort_values(["overload_hours", "member"], ascending=[False, True]).rename(
        columns={"expected_hours": "value", "available_hours": "expected", "overload_hours": "contribution"}
    )
