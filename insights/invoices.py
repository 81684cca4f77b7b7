"""Invoices: days on which invoices repeat others, by the single invoices.

Issued twice, a day's invoices are hardly more than those of a busy day, and the detector judges the sum alone.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final, LiteralString

import psycopg
from scipy.stats import binom

from insights.findings import CLOSED_DAYS
from insights.organizations import Organization
from sources.database import records

METRIC: Final = "invoiced_revenue"
RECENT_DAYS: Final = 14  # the repeated invoices were issued at most this many days ago
BEFORE_DAYS: Final = 84  # with which the days since then are compared
LEAST_BEFORE: Final = 20  # invoices of these days
LEAST_REPEATED: Final = 3
CHANCE: Final = 1e-5  # of a business that issues equal invoices of a booking now and then

INVOICES: Final[LiteralString] = """
    select invoices.issued_day as day, count(*)::int as invoices, sum(invoices.invoiced_amount)::float8 as amount,
        count(repeated.invoice_id)::int as repeated,
        coalesce(sum(repeated.invoiced_amount), 0)::float8 as repeated_amount
    from marts.fct_invoices as invoices
    left join intermediate.int_repeated_invoices as repeated on repeated.invoice_id = invoices.invoice_id
    where invoices.org_id = %(org_id)s and invoices.is_invoiced and invoices.is_in_own_currency
        and invoices.issued_day > %(as_of)s::date - %(days)s and invoices.issued_day <= %(as_of)s
    group by invoices.issued_day
    order by invoices.issued_day
"""

Row = Mapping[str, Any]


def with_repeated_invoices(
    connection: psycopg.Connection,
    organization: Organization,
    metrics: Mapping[str, Row],
    rows: Sequence[dict[str, Any]],
) -> list[dict[str, Any]]:
    """Return `rows` with an anomaly of the invoiced revenue where more invoices than usual repeat others.

    It is marked by `is_by_rows`, has the number of these invoices, and replaces that of the detector.
    """
    if METRIC not in metrics:
        return list(rows)
    parameters = {"org_id": organization.id, "as_of": organization.as_of, "days": RECENT_DAYS + BEFORE_DAYS}
    days = records(connection, INVOICES, parameters)
    recent = _latest_run([row["day"] for row in days if row["repeated"]], organization.as_of)
    if not recent or not _is_unusual(days, recent[0], recent[-1]):
        return list(rows)
    since = [row for row in days if recent[0] <= row["day"] <= recent[-1]]
    amount, repeated = (sum(row[name] for row in since) for name in ("amount", "repeated_amount"))
    found = {
        **metrics[METRIC], "is_by_rows": True, "metric": METRIC, "dimension": "total", "member": "all",
        "member_name": "all", "day": recent[-1], "started_on": recent[0], "length": (recent[-1] - recent[0]).days + 1,
        "flagged_days": len(recent), "value": amount, "expected": amount - repeated, "direction": "up",
        "severity": "medium", "pattern": "spike", "lower": None, "upper": None,
        "invoices": sum(row["invoices"] for row in since), "repeated": sum(row["repeated"] for row in since),
    }  # fmt: skip
    told = (METRIC, "total", "up")
    return [row for row in rows if (row["metric"], row["dimension"], row["direction"]) != told] + [found]


def _latest_run(days: Sequence[date], as_of: date) -> list[date]:
    """Return the last of the days, all of the last RECENT_DAYS, that are at most CLOSED_DAYS apart."""
    run: list[date] = []
    for day in reversed(days):
        if (as_of - day).days >= RECENT_DAYS or (run and (run[0] - day).days > CLOSED_DAYS):
            break
        run.insert(0, day)
    return run


def _is_unusual(days: Sequence[Row], first: date, last: date) -> bool:
    """Return True if chance would not make so many repeated invoices, by their share before the first of them."""
    since = [row for row in days if first <= row["day"] <= last]
    before = [row for row in days if first - timedelta(days=BEFORE_DAYS) <= row["day"] < first]
    repeated, invoices = (sum(row[name] for row in since) for name in ("repeated", "invoices"))
    repeated_before, invoices_before = (sum(row[name] for row in before) for name in ("repeated", "invoices"))
    if repeated < LEAST_REPEATED or invoices_before < LEAST_BEFORE:
        return False
    usual = (repeated_before + 0.5) / (invoices_before + 1)
    return bool(binom.sf(repeated - 1, invoices, usual) <= CHANCE)
