"""The text of insights: title, summary (value against expected, drivers) and recommendation, in plain English."""

import math
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import pandas as pd

from insights.findings import Finding
from insights.organizations import Organization
from sources import formatting
from sources.insight_values import InsightKind

# An expected figure below this share of the value is described as (hardly) anything instead of by its number.
NEGLIGIBLE_SHARE: Final = 0.1

# Recommendation by metric and direction: a new metric adds two lines.
RECOMMENDATIONS: Final = {
    ("bookings_created", "up"): "Check that providers have capacity for the extra bookings and confirm them soon.",
    ("bookings_created", "down"): "Check that the booking page and its channels work, then follow up open quotes.",
    ("bookings_completed", "up"): "Invoice the completed bookings and ask their clients for reviews.",
    ("bookings_completed", "down"): "Look for bookings that wait on a provider, a client or an approval.",
    (
        "bookings_cancelled",
        "up",
    ): "Read the reasons given for cancelling and call the clients whose dates can be saved.",
    ("bookings_cancelled", "down"): "Check that cancellations are being recorded; if they are, no action is needed.",
    ("booked_revenue", "up"): "Check whether one large booking made the difference, and that it can be delivered.",
    ("booked_revenue", "down"): "Review prices, availability and open quotes where the revenue is missing.",
    ("realized_revenue", "up"): "Check that the extra work is invoiced and its providers are not overloaded.",
    ("realized_revenue", "down"): "Look for postponed, cancelled or missed services on this day and offer new dates.",
    ("invoiced_revenue", "up"): "Check for duplicate or early invoices before the payments fall due.",
    ("invoiced_revenue", "down"): "Look for delivered bookings that have not been invoiced.",
    ("collected_revenue", "up"): "Match the payments to their invoices and check for double payments.",
    ("collected_revenue", "down"): "Check the payment processor for failures and remind clients of overdue invoices.",
    ("failed_payments", "up"): "Check the payment processor's status and ask the affected clients to pay again.",
    ("failed_payments", "down"): "Check that payments are still being attempted; if they are, no action is needed.",
    ("tracked_hours", "up"): "Check the load of the providers and move work where it is too high.",
    ("tracked_hours", "down"): "Ask the providers whether hours were not entered or work has stopped.",
}
# For a metric that is not in the table, by whether the direction is good.
GENERAL_RECOMMENDATIONS: Final = {
    True: "Find out what went well here, and whether it can be repeated.",
    False: "Find out what changed here on this day, and correct it.",
}
FORECAST_RECOMMENDATIONS: Final = {
    "up": "Check that capacity covers the days ahead.",
    "down": "Fill the free days ahead: follow up open quotes and invite past clients.",
    "level": "No action is needed.",
}
# For a fall while some providers have more work than hours: more bookings as such would not help.
FORECAST_DOWN_OVERLOADED: Final = (
    "Find out which services lack bookings; their providers may have time for work that others cannot fit in."
)
# Added to an anomaly that lasts longer than one day, by pattern.
PATTERNS: Final = {
    "level_shift": "The days before were {side} than expected too: this looks like a new level, not one odd day.",
    "trend_break": "It has drifted {side} than expected for about two weeks.",
}
MISSING_RECOMMENDATION: Final = (
    "Check that the source still delivers this figure, load the day again, and look at later days with care."
)
WORKLOAD_RECOMMENDATION: Final = (
    "Move bookings to days or colleagues with free hours, before their clients have to wait."
)
PIPELINE_RECOMMENDATION: Final = (
    "Open the run's log, fix the cause and run it again; until then figures may be out of date."
)

Text = tuple[str, str, str]  # title, summary, recommendation


def with_texts(organization: Organization, findings: list[dict[str, Any]]) -> list[Finding]:
    """Return the organisation's findings with title, summary and recommendation added."""
    if not findings:
        return []
    table = pd.DataFrame(findings, dtype=object).assign(organization=organization.name, currency=organization.currency)
    texts = cast(list[dict[str, str]], describe(table)[["title", "summary", "recommendation"]].to_dict("records"))
    return [{**finding, **text} for finding, text in zip(findings, texts, strict=True)]


def describe(findings: pd.DataFrame) -> pd.DataFrame:
    """Add title, summary and recommendation to each finding; equal findings get equal texts.

    Columns: kind (anomaly, forecast, workload, pipeline), metric, label (as in 'booked revenue'), unit (count, money,
    hours), currency (ISO code), dimension (total, service, provider), member_name, organization, day, value,
    expected, lower, upper, severity, direction (up, down), pattern (of an anomaly, as `ml.anomalies.detect` names it),
    good_direction, drivers (a list of mappings with member_name, dimension, value, expected, contribution).
    Of a forecast: horizon (days), previous (the actual sum of as many days before; `value` is the forecast sum) and
    overloading (True if some provider will have more work than hours in WORKLOAD_DAYS). Of a workload: horizon,
    providers (how many will overload), beyond (hours beyond capacity) and first_day (of an overload); value is the
    expected and expected the available hours. Of a pipeline finding: detail. Columns that do not apply may be absent or
    null. Raises ValueError for an unknown kind.
    """
    texts = []
    for record in findings.to_dict("records"):
        finding = {str(column): cell for column, cell in record.items()}
        if finding["kind"] not in DESCRIBERS:
            raise ValueError(f"kind {finding['kind']!r} is not one of {', '.join(DESCRIBERS)}")
        texts.append(DESCRIBERS[finding["kind"]](finding))
    table = pd.DataFrame(texts, columns=["title", "summary", "recommendation"], index=findings.index, dtype=object)
    return findings.drop(columns=table.columns, errors="ignore").join(table)


def _anomaly(finding: Finding) -> Text:
    if finding.get("pattern") == "missing":
        return _missing(finding)
    value, expected = _rounded(finding, finding["value"]), _rounded(finding, finding["expected"])
    subject = _subject(finding)
    title = f"{_capitalised(subject)}: {_amount(finding, value)}, {_short_comparison(finding, value, expected)}"
    sentences = [
        f"On {_day(finding)}, {subject}{_at_organization(finding)} came to {_amount(finding, value)}, "
        f"{_comparison(finding, value, expected)}.",
        _range(finding, "The usual range for such a day is"),
        _pattern(finding, value, expected),
        _drivers(finding),
    ]
    return title, _joined(sentences), _recommendation(finding)


def _missing(finding: Finding) -> Text:
    subject, expected = _subject(finding), _rounded(finding, finding["expected"])
    verb = "were" if finding["unit"] == "count" and expected not in (0, 1) else "was"
    expectation = f"{_amount(finding, expected) if expected else 'nothing'} {verb} expected"
    summary = (
        f"For {_day(finding)}, no figure was recorded for {subject}{_at_organization(finding)}, where {expectation}."
    )
    return f"{_capitalised(subject)}: no figure was recorded", summary, MISSING_RECOMMENDATION


def _pattern(finding: Finding, value: float, expected: float) -> str:
    """Return the sentence about an anomaly that lasts longer than one day; empty for others."""
    sentence = PATTERNS.get(str(finding.get("pattern")), "") if value != expected else ""
    return sentence.format(side="higher" if value > expected else "lower")


def _forecast(finding: Finding) -> Text:
    value, subject, days = _rounded(finding, finding["value"]), _subject(finding), _days(finding["horizon"])
    title = f"{_capitalised(subject)}: {_amount(finding, value)} forecast for the next {days}"
    summary = f"For the {days} after {_day(finding)}, the forecast of {subject}{_at_organization(finding)} is "
    summary += _amount(finding, value)
    trend = "level"
    if _has_value(finding.get("previous")):
        previous = _rounded(finding, finding["previous"])
        trend = "level" if value == previous else "up" if value > previous else "down"
        summary += f", {_comparison(finding, value, previous, f'in the {days} before')}"
    sentences = [f"{summary}.", _range(finding, "The likely range is"), _drivers(finding)]
    is_overloaded = trend == "down" and finding.get("overloading") is True
    recommendation = FORECAST_DOWN_OVERLOADED if is_overloaded else FORECAST_RECOMMENDATIONS[trend]
    return title, _joined(sentences), recommendation


def _workload(finding: Finding) -> Text:
    days, providers = _days(finding["horizon"]), formatting.counted(int(finding["providers"]), "provider")
    value, available = _rounded(finding, finding["value"]), _rounded(finding, finding["expected"])
    beyond = _amount(finding, _rounded(finding, finding["beyond"]))
    first_day = formatting.long_day(pd.Timestamp(finding["first_day"]).date())
    sentences = [
        f"In the {days} after {_day(finding)}, {providers}{_at_organization(finding)} will have more work than hours, "
        f"from {first_day} on: {beyond} are beyond their available time.",
        f"In total, {_amount(finding, value)} are expected and {_amount(finding, available)} are available.",
        _overloaded_providers(finding),
    ]
    return f"Workload: {providers} will overload in the next {days}", _joined(sentences), WORKLOAD_RECOMMENDATION


def _overloaded_providers(finding: Finding) -> str:
    """Return the sentence that names the overloaded providers with their hours, the most overloaded first."""
    phrases = [
        f"{driver['member_name']} ({_amount(finding, _rounded(finding, driver['value']))} expected, "
        f"{_amount(finding, _rounded(finding, driver['expected']))} available)"
        for driver in sorted(finding["drivers"], key=lambda each: -float(each["contribution"]))
    ]
    return f"Most overloaded: {formatting.listed(phrases)}." if phrases else ""


def _pipeline(finding: Finding) -> Text:
    label = finding["label"] if _has_value(finding.get("label")) else "a step failed"
    detail = str(finding["detail"]).strip() if _has_value(finding.get("detail")) else "No detail was recorded."
    if detail[-1:] not in ".!?":
        detail += "."
    organization = f" ({finding['organization']})" if _has_value(finding.get("organization")) else ""
    return f"Pipeline: {label}{organization}", _capitalised(detail), PIPELINE_RECOMMENDATION


DESCRIBERS: Final[Mapping[InsightKind, Callable[[Finding], Text]]] = {
    "anomaly": _anomaly,
    "forecast": _forecast,
    "workload": _workload,
    "pipeline": _pipeline,
}


def _subject(finding: Finding) -> str:
    preposition = {"service": " for ", "provider": " of "}.get(str(finding.get("dimension")))
    if preposition is None or not _has_value(finding.get("member_name")):
        return str(finding["label"])
    return f"{finding['label']}{preposition}{finding['member_name']}"


def _at_organization(finding: Finding) -> str:
    return f" at {finding['organization']}" if _has_value(finding.get("organization")) else ""


def _day(finding: Finding) -> str:
    return formatting.long_day(pd.Timestamp(finding["day"]).date())


def _days(horizon: float) -> str:
    return "day" if int(horizon) == 1 else f"{int(horizon)} days"


def _rounded(finding: Finding, number: float) -> float:
    return formatting.rounded(number, finding["unit"], _currency(finding))


def _amount(finding: Finding, rounded: float) -> str:
    return formatting.figure(rounded, finding["unit"], _currency(finding))


def _currency(finding: Finding) -> str | None:
    return str(finding["currency"]) if _has_value(finding.get("currency")) else None


def _comparison(finding: Finding, value: float, base: float, base_name: str = "expected") -> str:
    """Compare the value with its base, as in '€300 (25%) less than the €1,200 expected'."""
    if value == base:
        return f"the same as {'' if base_name.startswith('in ') else 'was '}{base_name}"
    if _is_negligible(finding, value, base):
        nothing = "nothing" if base == 0 else "hardly anything"
        return (
            f"where there was {nothing} {base_name}"
            if base_name.startswith("in ")
            else f"where {nothing} was {base_name}"
        )
    share = formatting.change(value, base, finding["unit"], _currency(finding))
    percent = f" ({share})" if share else ""
    more = _more_or_less(finding, value, base)
    return f"{_difference(finding, value, base)}{percent} {more} than the {_amount(finding, base)} {base_name}"


def _short_comparison(finding: Finding, value: float, expected: float) -> str:
    """Compare the value with the expected one in the few words of a title: '25% less than expected'."""
    if value == expected or _is_negligible(finding, value, expected):
        return _comparison(finding, value, expected)
    share = formatting.change(value, expected, finding["unit"], _currency(finding))
    difference = share or _difference(finding, value, expected)
    return f"{difference} {_more_or_less(finding, value, expected)} than expected"


def _is_negligible(finding: Finding, value: float, expected: float) -> bool:
    """Return True if the expected figure is too small beside the value to be worth its number."""
    is_money = finding["unit"] == "money"
    is_small = formatting.is_small(expected, "money", _currency(finding)) if is_money else abs(expected) < 1
    return is_small and abs(expected) <= NEGLIGIBLE_SHARE * abs(value)


def _difference(finding: Finding, value: float, expected: float) -> str:
    return _amount(finding, _rounded(finding, abs(value - expected)))


def _more_or_less(finding: Finding, value: float, expected: float) -> str:
    return "more" if value > expected else "fewer" if finding["unit"] == "count" else "less"


def _range(finding: Finding, opening: str) -> str:
    if not (_has_value(finding.get("lower")) and _has_value(finding.get("upper"))):
        return ""
    lower, upper = (_amount(finding, _rounded(finding, finding[side])) for side in ("lower", "upper"))
    return f"{opening} {lower} to {upper}." if lower != upper else f"{opening} {lower}."


def _drivers(finding: Finding) -> str:
    value_of_column = finding.get("drivers")
    drivers = list(value_of_column) if isinstance(value_of_column, list | tuple) else []
    phrases = []
    for driver in sorted(drivers, key=lambda each: -abs(float(each["contribution"]))):
        value, expected = _rounded(finding, driver["value"]), _rounded(finding, driver["expected"])
        if value != expected:
            phrases.append(f"{driver['member_name']} ({_driver_change(finding, value, expected)})")
    return f"Main drivers: {formatting.listed(phrases)}." if phrases else ""


def _driver_change(finding: Finding, value: float, expected: float) -> str:
    if _is_negligible(finding, value, expected):
        return f"{_amount(finding, value)}, {_comparison(finding, value, expected)}"
    more = _more_or_less(finding, value, expected)
    return f"{_difference(finding, value, expected)} {more} than the {_amount(finding, expected)} expected"


def _recommendation(finding: Finding) -> str:
    of_metric = RECOMMENDATIONS.get((str(finding.get("metric")), str(finding.get("direction"))))
    return of_metric or GENERAL_RECOMMENDATIONS[finding.get("direction") == finding.get("good_direction")]


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


def _joined(sentences: list[str]) -> str:
    return " ".join(sentence for sentence in sentences if sentence)


def _has_value(cell: Any) -> bool:
    """Return True unless the cell is None, NaN, NA or an empty text."""
    if cell is None or cell is pd.NA or cell is pd.NaT or cell == "":
        return False
    return not (isinstance(cell, float) and math.isnan(cell))
