"""Rule `anomaly`: the anomalies of all series, each over all its days, graded by the business's money."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final, LiteralString

import psycopg
from psycopg import sql

from insights.absences import with_absences
from insights.findings import BY_TIME, CLOSED_DAYS, Finding
from insights.invoices import with_repeated_invoices
from insights.members import unlikely
from insights.organizations import Organization
from insights.prices import with_changed_prices
from insights.severity_thresholds import (
    ANOMALY_SEVERITIES,
    ANOMALY_SHARES,
    LARGE_EFFECT,
    LASTING_SEVERITIES,
    ORDINARY_BOOKINGS,
)
from insights.shortfalls import with_shortfalls
from insights.suspects import SCORE, with_suspects
from insights.volumes import counts_behind_amounts
from sources.database import records

RECENT_DAYS: Final = 2  # an anomaly has ended when the last two days were normal
# A new level or a drift is flagged when it is found, and again only where it stands out more: it ends later.
LASTING_DAYS: Final = 4
LASTING: Final = ("level_shift", "trend_break")
SCORED_DAYS: Final = 28  # that ml.anomalies keeps up to date
USUAL_DAYS: Final = 28  # the business's usual day: the mean of four whole weeks before

# For money an ordinary booking counts with the amount that 95 of 100 of its kind stay below, so that an expensive one
# at list price is ordinary too.
LARGE_QUANTILE: Final = 0.95
LARGE_DAYS: Final = 365  # all seasons
LARGE_MIN_BOOKINGS: Final = 20  # members with fewer bookings are compared with the amounts of the whole business

BOOKED: Final = ("bookings_created", "booked_revenue", "average_booking_value")  # by day of booking

# The scored days of each series that was flagged, or of a total that was suspect, lately.
FIGURES: Final[LiteralString] = """
    select scores.metric, scores.dimension, scores.member, members.member_name, scores.day, scores.value::float8,
        scores.expected::float8, scores.lower::float8, scores.upper::float8, scores.is_anomaly, scores.score::float8,
        coalesce(scores.direction, 'down') as direction, scores.severity, scores.pattern, scores.began,
        scores.since_value::float8, scores.since_expected::float8
    from ml.anomalies as scores
    left join marts.dim_member as members
        on members.org_id = scores.org_id and members.dimension = scores.dimension and members.member = scores.member
    where scores.org_id = %(org_id)s and scores.day > %(as_of)s::date - %(scored)s and scores.day <= %(as_of)s
        and (scores.metric, scores.dimension, scores.member) in (
            select recent.metric, recent.dimension, recent.member from ml.anomalies as recent
            where recent.org_id = %(org_id)s
                and (recent.is_anomaly or recent.dimension = 'total' and recent.score >= %(suspect)s)
                and recent.day > %(as_of)s::date - %(lasting)s and recent.day <= %(as_of)s
        )
    order by scores.metric, scores.dimension, scores.member, scores.day
"""

METRICS: Final[LiteralString] = """
    select metrics.metric, lower(left(metrics.label, 1)) || substr(metrics.label, 2) as label, metrics.unit,
        metrics.good_direction, metrics.kind as kind_of_metric, metrics.numerator, metrics.denominator,
        coalesce(worth.worth, of_numerator.worth)::float8 as worth
    from marts.dim_metric as metrics
    left join intermediate.int_metric_worth as worth
        on worth.org_id = %(org_id)s and worth.metric = metrics.metric
    left join intermediate.int_metric_worth as of_numerator
        on of_numerator.org_id = %(org_id)s and of_numerator.metric = metrics.numerator
"""

# Of every total, and of the members whose ratio is judged.
TOTALS: Final[LiteralString] = """
    select metric, dimension, member, day, value::float8 from marts.kpi_daily
    where org_id = %(org_id)s and day <= %(as_of)s and day > %(as_of)s::date - %(days)s
        and (dimension = 'total' or metric = any(%(denominators)s) and member = any(%(members)s))
"""

# One row for the whole business, and one for each of the given members that has enough bookings.
LARGE_AMOUNTS: Final[LiteralString] = """
    with bookings as (
        select fct_bookings.service_id::text as service, fct_bookings.provider_id::text as provider,
            fct_bookings.total_amount
        from marts.fct_bookings
        inner join marts.dim_organization as organizations
            on organizations.org_id = fct_bookings.org_id and organizations.currency = fct_bookings.currency
        where fct_bookings.org_id = %(org_id)s and fct_bookings.total_amount > 0
            and coalesce(fct_bookings.created_day, fct_bookings.service_day) <= %(as_of)s
            and coalesce(fct_bookings.created_day, fct_bookings.service_day) > %(as_of)s::date - %(days)s
    )
    select 'total' as dimension, 'all' as member,
        percentile_cont(%(quantile)s) within group (order by total_amount) as amount
    from bookings
    union all
    select 'service', service, percentile_cont(%(quantile)s) within group (order by total_amount)
    from bookings
    where service = any(%(members)s)
    group by service having count(*) >= %(min_bookings)s
    union all
    select 'provider', provider, percentile_cont(%(quantile)s) within group (order by total_amount)
    from bookings
    where provider = any(%(members)s)
    group by provider having count(*) >= %(min_bookings)s
"""

Row = Mapping[str, Any]
Amounts = Mapping[tuple[str, str], float]  # (dimension, member) -> amount
Daily = Mapping[tuple[str, str, str], Mapping[date, float]]  # (metric, dimension, member) -> figures by day


def anomaly_findings(connection: psycopg.Connection, organization: Organization) -> list[Finding] | None:
    """Return the current anomalies of all series, each over its days; incidents combine them.

    `opens` is True for those that matter by themselves. None where the data have ended: there are no usual days to
    compare with.
    """
    if organization.is_past_its_end:
        return None
    parameters = {"org_id": organization.id, "as_of": organization.as_of}
    scored = records(
        connection, FIGURES, {**parameters, "scored": SCORED_DAYS, "lasting": LASTING_DAYS, "suspect": SCORE}
    )
    metrics = {row["metric"]: row for row in records(connection, METRICS, parameters)}
    rows = [
        {**metrics[row["metric"]], **row}
        for days in _series(with_suspects(connection, organization, metrics, scored)).values()
        for direction in ("up", "down")
        if days[0]["metric"] in metrics
        and (row := _over_its_days(organization, metrics[days[0]["metric"]], days, direction))
    ]
    rows = with_changed_prices(connection, organization, metrics, rows)
    rows = with_repeated_invoices(connection, organization, metrics, rows)
    rows = with_absences(connection, organization, metrics, rows)
    rows = with_shortfalls(connection, organization, metrics, rows)
    rows += counts_behind_amounts(connection, organization, metrics, rows)
    daily = _daily(connection, organization, metrics, rows)
    large_amounts = _large_amounts(connection, organization, rows)
    unlikely_members = unlikely(connection, organization, rows)
    findings: list[Finding] = []
    for row in rows:
        units = _units(row, daily)
        graded = {**row, **_grade(organization, row, units, daily, metrics)}
        opens = _is_relevant(organization, graded, units, large_amounts) and (
            row["dimension"] == "total" or (row["metric"], row["dimension"], row["member"]) in unlikely_members
        )
        bookings = _bookings(connection, organization, graded) if opens else frozenset()
        findings.append({**graded, "kind": "anomaly", "drivers": [], "opens": opens, "bookings": bookings})
    return findings


def _series(scored: Iterable[Row]) -> dict[tuple[str, str, str], list[Row]]:
    series = defaultdict(list)
    for row in scored:
        series[row["metric"], row["dimension"], row["member"]].append(row)
    return series


def _over_its_days(
    organization: Organization, metric: Row, days: Sequence[Row], direction: str
) -> dict[str, Any] | None:
    """Return the current anomaly of a series in one direction, over all days since it began; None if there is none."""
    flagged = [row for row in days if row["is_anomaly"] and row["direction"] == direction]
    if not flagged:
        return None
    last = flagged[-1]
    lasts = LASTING_DAYS if last["pattern"] in LASTING else RECENT_DAYS
    if (organization.as_of - last["day"]).days >= lasts:
        return None
    run = [last]
    for row in reversed(flagged[:-1]):
        if (run[-1]["day"] - row["day"]).days > CLOSED_DAYS:
            break
        run.append(row)
    started_on = min(row["began"] for row in run)
    value, expected = last["since_value"], last["since_expected"]
    if metric["kind_of_metric"] == "stock":
        value, expected = last["value"], last["expected"]
    elif metric["kind_of_metric"] == "sum":
        if last["pattern"] != "trend_break":
            started_on = _first_changed(
                [row for row in days if started_on <= row["day"] <= last["day"]], run, direction
            )
        # The sums of the detector begin with another day than the anomaly here, and know another level than the days.
        before, after = _days_of(days, started_on, last["began"]), _days_of(days, last["began"], started_on)
        value += _sum(before, "value") - _sum(after, "value")
        rest, whole = (
            _sum(_days_of(days, first, last["day"] + timedelta(days=1)), "expected")
            for first in (max(started_on, last["began"]), last["began"])
        )
        expected = expected * (rest / whole if whole else 1.0) + _sum(before, "expected")
    is_one_day = started_on == last["day"] or metric["kind_of_metric"] == "stock"
    return {
        **{name: last[name] for name in ("metric", "dimension", "member", "day", "severity", "pattern")},
        "member_name": last["member_name"] or last["member"],
        "direction": direction,
        "started_on": started_on,
        "length": (last["day"] - started_on).days + 1,
        "flagged_days": len(run),
        "value": value,
        "expected": expected,
        "lower": last["lower"] if is_one_day else None,
        "upper": last["upper"] if is_one_day else None,
    }


def _days_of(days: Sequence[Row], first: date, until: date) -> list[Row]:
    return [row for row in days if first <= row["day"] < until]


def _sum(days: Iterable[Row], column: str) -> float:
    return sum(float(row[column]) for row in days)


def _first_changed(days: Sequence[Row], flagged: Sequence[Row], direction: str) -> date:
    """Return the day that the change began with: the likeliest of those up to the first flagged day.

    Evidence over several days stretches over ordinary days before the change. It began where the sum of the days'
    differences, less half of the flagged days' share, is largest: the estimate of a CUSUM.
    """
    side = 1.0 if direction == "up" else -1.0
    expected = sum(row["expected"] for row in flagged)
    share = 0.5 * abs(sum(row["value"] for row in flagged) - expected) / expected if expected > 0 else 0.0
    first_flagged: date = min(row["day"] for row in flagged)
    earlier = [row for row in days if row["day"] < first_flagged]
    began: date = min(row["began"] for row in flagged)
    if not earlier:  # the days that the evidence stretches over are no longer scored
        return began
    total, best, began = 0.0, 0.0, first_flagged
    for row in reversed(earlier):
        total += side * (row["value"] - row["expected"]) - share * row["expected"]
        if total > best:
            best, began = total, row["day"]
    return began


def _daily(
    connection: psycopg.Connection, organization: Organization, metrics: Mapping[str, Row], rows: Sequence[Row]
) -> Daily:
    """Return the daily figures of totals, and of the denominators of judged ratios, of all days that may be needed."""
    ratios = [metrics[row["metric"]] for row in rows if row["denominator"]]
    daily: dict[tuple[str, str, str], dict[date, float]] = defaultdict(dict)
    parameters = {
        "org_id": organization.id,
        "as_of": organization.as_of,
        "days": SCORED_DAYS + LASTING_DAYS + USUAL_DAYS + max((row["length"] for row in rows), default=0),
        "denominators": [ratio["denominator"] for ratio in ratios],
        "members": [row["member"] for row in rows if row["denominator"]],
    }
    for row in records(connection, TOTALS, parameters):
        daily[row["metric"], row["dimension"], row["member"]][row["day"]] = row["value"]
    return daily


def _units(row: Row, daily: Daily) -> float:
    """Return how many units of the figure's difference are meant: of a ratio its denominator, else 1."""
    if not row["denominator"]:
        return 1.0
    figures = daily.get((row["denominator"], row["dimension"], row["member"]), {})
    return sum(value for day, value in figures.items() if row["started_on"] <= day <= row["day"])


def _grade(
    organization: Organization, row: Row, units: float, daily: Daily, metrics: Mapping[str, Row]
) -> dict[str, Any]:
    """Return the impact in money (negative: a loss), its share of a usual day's money, and the severity by it.

    Where no money is known, the share is 0 and the detector's severity, by improbability, stays. Of an incident of
    several days the money counts by the square root of its days, as the ordinary spread of a sum grows. What is found
    in single rows matters like a total.
    """
    worth = 1.0 if row["unit"] == "money" and not row["denominator"] else row["worth"]
    gain = 1 if row["good_direction"] == "up" else -1
    impact = gain * (row["value"] - row["expected"]) * units * worth if worth else None
    impact = row.get("impact", impact)  # what is found in single rows may know its money
    usual = max(
        (
            _usual(organization, daily, metric, row["started_on"])
            for metric, of_metric in metrics.items()
            if of_metric["unit"] == "money" and of_metric["kind_of_metric"] == "sum"
        ),
        default=0.0,
    )
    if impact is None or usual <= 0:
        return {"impact": impact, "share": 0.0}
    share = abs(impact) / usual / math.sqrt(row["length"])
    severity = next(name for name, least in ANOMALY_SHARES.items() if share >= least)
    is_whole = row["dimension"] == "total" or row.get("is_by_rows", False)
    if severity == "low" and is_whole and _is_large(organization, row, daily):
        severity = "medium"
    return {"impact": impact, "share": share, "severity": severity}


def _usual(organization: Organization, daily: Daily, metric: str, before: date) -> float:
    """Return the mean of a total over the USUAL_DAYS before a day, as far as data reach."""
    first = before - timedelta(days=USUAL_DAYS)
    if organization.first_day is not None:
        first = max(first, organization.first_day)
    figures = daily.get((metric, "total", "all"), {})
    return sum(value for day, value in figures.items() if first <= day < before) / max((before - first).days, 1)


def _is_large(organization: Organization, row: Row, daily: Daily) -> bool:
    """Return True if the difference is a large share of the figure's own usual days."""
    base = abs(row["expected"])
    if row["kind_of_metric"] == "sum":
        base = max(base, abs(_usual(organization, daily, row["metric"], row["started_on"])) * row["length"])
    return bool(abs(row["value"] - row["expected"]) >= LARGE_EFFECT * base)


def _is_relevant(organization: Organization, row: Row, units: float, large_amounts: Amounts) -> bool:
    level = "minor" if _is_minor(row) else "total" if row["dimension"] == "total" else "member"
    is_lasting = row["flagged_days"] > 1 or row["pattern"] in LASTING or "absence" in row
    return (
        row["severity"] in (LASTING_SEVERITIES if is_lasting else ANOMALY_SEVERITIES)[level]
        and not _is_stock_of_part(row)
        and not _is_ordinary(row, units, large_amounts)
        and not _is_cut_off(organization, row)
    )


def _is_minor(row: Row) -> bool:
    """Return True if the anomaly says little that somebody could act on."""
    is_fewer_of_bad = row["direction"] == row["good_direction"] == "down"
    return is_fewer_of_bad or row["dimension"] in BY_TIME


def _is_stock_of_part(row: Row) -> bool:
    """Return True for what stands on hand of a member: the bookings made and called off tell why it differs."""
    return bool(row["kind_of_metric"] == "stock" and row["dimension"] != "total")


def _is_ordinary(row: Row, units: float, large_amounts: Amounts) -> bool:
    """Return True if one or two bookings explain the anomaly; not of a fall of a total or of what is found in rows."""
    is_fall_of_total = (row["dimension"], row["direction"]) == ("total", "down") and not row["denominator"]
    if row["unit"] == "hours" or row["pattern"] == "missing" or is_fall_of_total or row.get("is_by_rows", False):
        return False
    difference = abs(row["value"] - row["expected"]) * units
    if row["unit"] != "money":
        return bool(difference <= ORDINARY_BOOKINGS)
    amount = large_amounts.get((row["dimension"], row["member"]), large_amounts.get(("total", "all"), 0.0))
    return bool(difference <= ORDINARY_BOOKINGS * amount)


def _is_cut_off(organization: Organization, row: Row) -> bool:
    """Return True for a fall of booked metrics near the edge of the data, which lack bookings of later service days."""
    complete_until = organization.bookings_complete_until
    is_incomplete = complete_until is not None and row["day"] > complete_until
    return is_incomplete and row["direction"] == "down" and row["metric"] in BOOKED


def _bookings(connection: psycopg.Connection, organization: Organization, row: Row) -> frozenset[Any]:
    """Return the ids of the bookings that a member's rise consists of; none of totals, falls and ratios."""
    if row["dimension"] == "total" or row["direction"] == "down" or row["kind_of_metric"] != "sum":
        return frozenset()
    query = sql.SQL(
        """
        select distinct booking_id from intermediate.int_metric_rows
        where org_id = %(org_id)s and metric = %(metric)s and day between %(started_on)s and %(day)s
            and {dimension} = %(member)s and booking_id is not null
        """
    ).format(dimension=sql.Identifier(row["dimension"]))
    parameters = {name: row[name] for name in ("metric", "started_on", "day", "member")}
    return frozenset(
        each["booking_id"] for each in records(connection, query, {"org_id": organization.id, **parameters})
    )


def _large_amounts(connection: psycopg.Connection, organization: Organization, rows: Sequence[Row]) -> Amounts:
    """Return the amount that few bookings of the business, of a service or of a provider exceed."""
    parameters = {
        "org_id": organization.id,
        "as_of": organization.as_of,
        "days": LARGE_DAYS,
        "quantile": LARGE_QUANTILE,
        "min_bookings": LARGE_MIN_BOOKINGS,
        "members": [row["member"] for row in rows],
    }
    amounts = records(connection, LARGE_AMOUNTS, parameters)
    return {(row["dimension"], row["member"]): float(row["amount"] or 0) for row in amounts}
