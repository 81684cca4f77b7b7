"""Explanation of incidents: drivers over all dimensions, volume, price and mix of the money, facts and actions."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, LiteralString

import pandas as pd
import psycopg
from psycopg import sql

from insights.actions import actions_of
from insights.facts import facts_of
from insights.findings import BY_TIME, Finding, named_drivers
from insights.money import exact_money
from insights.narrative import phrases
from insights.organizations import Organization
from ml.attribution import BASELINE_WEEKS, Attribution, attribute, volume_price_mix
from ml.drivers import explain
from sources.database import records

# In the order in which they are preferred where they tell the same.
DIMENSIONS: Final = ("service", "provider", "client_group", "channel", "lead_bucket", "service_weekday")
SPLIT: Final = ("booked_revenue", "realized_revenue")  # one amount for each booking

MEMBERS: Final[LiteralString] = """
    select dimension, member, member_name from marts.dim_member where org_id = %(org_id)s
"""
COLUMNS: Final = ("day", "value", "amount", *DIMENSIONS)


def explained(connection: psycopg.Connection, organization: Organization, findings: list[Finding]) -> list[Finding]:
    """Return the findings; the anomalies that open events have their drivers, exact money, facts and actions."""
    if not any(_is_explained(finding) for finding in findings):
        return findings
    members = records(connection, MEMBERS, {"org_id": organization.id})
    names = {(row["dimension"], row["member"]): row["member_name"] for row in members}
    whole: list[Finding] = []
    for finding in findings:
        if _is_explained(finding):
            driven = {**finding, **_explanation(connection, organization, finding, names)}
            facts = facts_of(connection, organization, driven)
            whole.append({**driven, "facts": facts, "actions": actions_of(connection, organization, driven)})
        else:
            whole.append(finding)
    return whole


def _is_explained(finding: Finding) -> bool:
    return bool(finding["kind"] == "anomaly" and finding["opens"])


def _explanation(
    connection: psycopg.Connection,
    organization: Organization,
    finding: Finding,
    names: Mapping[tuple[str, str], str],
) -> dict[str, Any]:
    if finding["pattern"] == "missing" or "absence" in finding:
        return {}
    current, earlier = _rows(connection, organization, finding, finding["numerator"] or finding["metric"])
    if current.empty and earlier.empty:
        return {}
    expected = float(finding["expected"])
    if finding["denominator"]:  # what the numerator would be with the expected ratio
        expected *= float(current["value"].sum()) / float(finding["value"]) if finding["value"] else 0.0
    dimensions = [name for name in DIMENSIONS if name != finding["dimension"]]
    found = attribute(current, earlier, dimensions=dimensions, secondary=BY_TIME, expected=expected or None)
    explanation: dict[str, Any] = {
        "drivers": _named(found, names),
        "spread_over": list(found.tried) if not found.dimensions else [],
    }
    if finding["denominator"]:
        explanation["split"] = _rate_and_mix(connection, organization, finding, current, earlier)
    elif finding["metric"] in SPLIT:
        sides = [side.assign(member=side["service"]) for side in (current, earlier)]
        explanation["split"] = volume_price_mix(*sides, expected=expected or None)
    money = exact_money(connection, organization, finding, current, earlier)
    if money is not None:
        explanation["impact"] = money
    return explanation


def _rows(
    connection: psycopg.Connection, organization: Organization, finding: Finding, metric: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows that `metric` sums on its days, and those on the same weekdays before them."""
    first = finding["day"] if finding["kind_of_metric"] == "stock" else finding["started_on"]
    days = {first + timedelta(days=n) for n in range((finding["day"] - first).days + 1)}
    member: sql.Composable = sql.SQL("")
    if finding["dimension"] != "total":
        member = sql.SQL("and facts.{} = %(member)s").format(sql.Identifier(finding["dimension"]))
    query = sql.SQL(
        """
        select facts.day, facts.value::float8, bookings.total_amount::float8 as amount, {dimensions}
        from intermediate.int_metric_rows as facts
        left join marts.fct_bookings as bookings on bookings.booking_id = facts.booking_id
        where facts.org_id = %(org_id)s and facts.metric = %(metric)s {member}
            and extract(isodow from facts.day) = any(%(weekdays)s)
            and (
                facts.day between %(first)s and %(last)s
                or facts.day >= %(started_on)s::date - %(baseline)s and facts.day < %(started_on)s
            )
        """
    ).format(
        dimensions=sql.SQL(", ").join(sql.SQL("facts.{}").format(sql.Identifier(name)) for name in DIMENSIONS),
        member=member,
    )
    parameters = {
        "org_id": organization.id,
        "metric": metric,
        "member": finding["member"],
        "weekdays": sorted({day.isoweekday() for day in days}),
        "first": first,
        "last": finding["day"],
        "started_on": finding["started_on"],
        "baseline": 7 * BASELINE_WEEKS,
    }
    rows = pd.DataFrame(records(connection, query, parameters), columns=list(COLUMNS))
    rows["day"] = pd.to_datetime(rows["day"])
    is_current = rows["day"] >= pd.Timestamp(first)
    return rows[is_current], rows[~is_current]


def _rate_and_mix(
    connection: psycopg.Connection,
    organization: Organization,
    finding: Finding,
    current: pd.DataFrame,
    earlier: pd.DataFrame,
) -> dict[str, float]:
    """Split the change of a ratio: the services' own ratios changed, and they became other parts of the whole."""
    sides = zip((current, earlier), _rows(connection, organization, finding, finding["denominator"]), strict=True)
    now, before = (_ratio_sums(numerators, denominators) for numerators, denominators in sides)
    if now.empty or before.empty:
        return {}
    parts = explain(now, before)
    return {"rate": float(parts["rate"].sum()), "mix": float(parts["mix"].sum())}


def _ratio_sums(numerators: pd.DataFrame, denominators: pd.DataFrame) -> pd.DataFrame:
    """Return member (the service), numerator and denominator of the services that have a denominator."""
    sums = pd.DataFrame(
        {
            "numerator": numerators.groupby("service")["value"].sum(),
            "denominator": denominators.groupby("service")["value"].sum(),
        }
    )
    return sums[sums["denominator"] > 0].fillna(0.0).rename_axis("member").reset_index()


def _named(found: Attribution, names: Mapping[tuple[str, str], str]) -> list[dict[str, Any]]:
    """Return the members with their names, as the column `drivers` keeps them."""
    if not found.dimensions:
        return []
    member_names = [
        phrases.driver_name([(name, names.get((name, str(row[name])), str(row[name]))) for name in found.dimensions])
        for row in found.members.to_dict("records")
    ]
    named = named_drivers(found.members.assign(member_name=member_names), " and ".join(found.dimensions))
    members = found.members[found.dimensions[0]].astype(str)
    return [{**driver, "member": member} for driver, member in zip(named, members, strict=False)]
