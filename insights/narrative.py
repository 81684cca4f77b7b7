"""Plain English about events: what, how much against what was expected, what drove it, what to do."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from sources import figures

MOST_DRIVERS = 3
# Less than this part of the value is next to nothing: the expected figure itself then says no more than that.
NEXT_TO_NOTHING = 0.1

# What to do, by metric and direction. One table: a new metric adds two lines.
RECOMMENDATIONS = {
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
    ("collected_revenue", "up"): "Match the payments to their invoices and check for paid twice.",
    ("collected_revenue", "down"): "Check the payment provider for failures and remind clients of overdue invoices.",
    ("failed_payments", "up"): "Check the payment provider's status and ask the affected clients to pay again.",
    ("failed_payments", "down"): "Check that payments are still being attempted; if they are, no action is needed.",
    ("tracked_hours", "up"): "Check the load of the providers and move work where it is too high.",
    ("tracked_hours", "down"): "Ask the providers whether hours were not entered or work has stopped.",
}
OTHERWISE = {
    "good": "Find out what went well here, and whether it can be repeated.",
    "bad": "Find out what changed here on this day, and put it right.",
}
FORECAST = {
    "up": "Check that capacity covers the days ahead.",
    "down": "Fill the free days ahead: follow up open quotes and invite past clients.",
    "level": "No action is needed.",
}
# A fall while some providers have more work than hours: more bookings as such would not help.
FORECAST_DOWN_OVERLOADED = (
    "Find out which services lack bookings; their providers may have time for work that others cannot fit in."
)
# What an anomaly that is more than one day's is told with, by pattern.
PATTERNS = {
    "level_shift": "The days before were {side} than expected too: this looks like a new level, not one odd day.",
    "trend_break": "For some two weeks it has been moving away, {side} than expected.",
}
MISSING = "Check that the source still delivers this figure, load the day again, and look at later days with care."
WORKLOAD = "Move bookings to days or colleagues with free hours, before their clients wait."
PIPELINE = "Open the run's log, put the cause right and run it again; until then figures may be out of date."


def tell(events: pd.DataFrame) -> pd.DataFrame:
    """Add title, summary and recommendation to each event; the same events give the same words.

    Columns: kind (anomaly, forecast, workload, pipeline), metric, label (as in 'booked revenue'), unit (count, money,
    hours), currency (ISO code), dimension (total, service, provider), member_name, organization, day, value,
    expected, lower, upper, severity, direction (up, down), pattern (of an anomaly, as `ml.anomalies.detect` names it),
    good_direction, drivers (a list of mappings with member_name, dimension, value, expected, contribution), horizon
    (days) and compared (what the sum of a forecast, `value`, is held against: the days before it), providers (how many
    will overload), beyond (their hours that do not fit in) and first_day (on which it begins) of a workload, where
    value is the expected and expected the available hours, overloading (of a forecast: whether some provider will have
    more work than hours in the same days), detail (of a pipeline event). What does not apply may be
    absent or null. Raises ValueError for an unknown kind.
    """
    tellers = {"anomaly": _anomaly, "forecast": _forecast, "workload": _workload, "pipeline": _pipeline}
    told = []
    for record in events.to_dict("records"):
        event = {str(column): cell for column, cell in record.items()}
        if event["kind"] not in tellers:
            raise ValueError(f"kind {event['kind']!r} is not one of {', '.join(tellers)}")
        told.append(tellers[event["kind"]](event))
    words = pd.DataFrame(told, columns=["title", "summary", "recommendation"], index=events.index, dtype=object)
    return events.drop(columns=words.columns, errors="ignore").join(words)


def _anomaly(event: Mapping[str, Any]) -> tuple[str, str, str]:
    if event.get("pattern") == "missing":
        return _missing(event)
    value, expected = _shown(event, event["value"]), _shown(event, event["expected"])
    subject = _subject(event)
    title = f"{_capital(subject)}: {_amount(event, value)}, {_brief(event, value, expected)}"
    sentences = [
        f"On {_day(event)}, {subject}{_place(event)} came to {_amount(event, value)}, "
        f"{_against(event, value, expected)}.",
        _range(event, "The usual range for such a day is"),
        _lasting(event, value, expected),
        _drivers(event),
    ]
    return title, _joined(sentences), _recommended(event)


def _missing(event: Mapping[str, Any]) -> tuple[str, str, str]:
    subject, expected = _subject(event), _shown(event, event["expected"])
    verb = "were" if event["unit"] == "count" and expected not in (0, 1) else "was"
    awaited = f"{_amount(event, expected) if expected else 'nothing'} {verb} expected"
    sentence = f"For {_day(event)}, no figure of {subject}{_place(event)} has come in, where {awaited}."
    return f"{_capital(subject)}: no figure has come in", sentence, MISSING


def _lasting(event: Mapping[str, Any], value: float, expected: float) -> str:
    """What to add where the anomaly is more than one day's."""
    pattern = PATTERNS.get(str(event.get("pattern")), "") if value != expected else ""
    return pattern.format(side="higher" if value > expected else "lower")


def _forecast(event: Mapping[str, Any]) -> tuple[str, str, str]:
    value, subject, days = _shown(event, event["value"]), _subject(event), _days(event["horizon"])
    title = f"{_capital(subject)}: {_amount(event, value)} forecast for the next {days}"
    sentence = f"For the {days} after {_day(event)}, the forecast of {subject}{_place(event)} is "
    sentence += _amount(event, value)
    trend = "level"
    if _given(event.get("compared")):
        before = _shown(event, event["compared"])
        trend = "level" if value == before else "up" if value > before else "down"
        sentence += f", {_against(event, value, before, f'in the {days} before')}"
    sentences = [f"{sentence}.", _range(event, "The likely range is"), _drivers(event)]
    advice = FORECAST_DOWN_OVERLOADED if trend == "down" and event.get("overloading") is True else FORECAST[trend]
    return title, _joined(sentences), advice


def _workload(event: Mapping[str, Any]) -> tuple[str, str, str]:
    providers, days = int(event["providers"]), _days(event["horizon"])
    who = "1 provider" if providers == 1 else f"{providers} providers"
    value, available = _shown(event, event["value"]), _shown(event, event["expected"])
    sentences = [
        f"In the {days} after {_day(event)}, {who}{_place(event)} will have more work than hours, from "
        f"{_day({'day': event['first_day']})} on: {_amount(event, _shown(event, event['beyond']))} do not fit in.",
        f"All together {_amount(event, value)} are expected and {_amount(event, available)} available.",
        _overloaded(event),
    ]
    return f"Workload: {who} will overload in the next {days}", _joined(sentences), WORKLOAD


def _overloaded(event: Mapping[str, Any]) -> str:
    """Who has how much more to do on those days than time for it, the most first."""
    told = [
        f"{driver['member_name']} ({_amount(event, _shown(event, driver['value']))} in "
        f"{_amount(event, _shown(event, driver['expected']))})"
        for driver in sorted(event["drivers"], key=lambda each: -float(each["contribution"]))
    ]
    return f"Most of all: {figures.listed(told)}." if told else ""


def _pipeline(event: Mapping[str, Any]) -> tuple[str, str, str]:
    label = event["label"] if _given(event.get("label")) else "a step failed"
    detail = str(event["detail"]).strip() if _given(event.get("detail")) else "No detail was recorded."
    if detail[-1:] not in ".!?":
        detail += "."
    where = f" ({event['organization']})" if _given(event.get("organization")) else ""
    return f"Pipeline: {label}{where}", _capital(detail), PIPELINE


def _subject(event: Mapping[str, Any]) -> str:
    joint = {"service": " for ", "provider": " of "}.get(str(event.get("dimension")))
    if joint is None or not _given(event.get("member_name")):
        return str(event["label"])
    return f"{event['label']}{joint}{event['member_name']}"


def _place(event: Mapping[str, Any]) -> str:
    return f" at {event['organization']}" if _given(event.get("organization")) else ""


def _day(event: Mapping[str, Any]) -> str:
    return figures.long_day(pd.Timestamp(event["day"]).date())


def _days(horizon: float) -> str:
    return "day" if int(horizon) == 1 else f"{int(horizon)} days"


def _shown(event: Mapping[str, Any], number: float) -> float:
    return figures.rounded(number, event["unit"], _currency(event))


def _amount(event: Mapping[str, Any], shown: float) -> str:
    return figures.figure(shown, event["unit"], _currency(event))


def _currency(event: Mapping[str, Any]) -> str | None:
    return str(event["currency"]) if _given(event.get("currency")) else None


def _against(event: Mapping[str, Any], value: float, expected: float, what: str = "expected") -> str:
    """How the value compares, as in '€300 (25%) less than the €1,200 expected'."""
    if value == expected:
        return f"the same as {'' if what.startswith('in ') else 'was '}{what}"
    if _next_to_nothing(event, value, expected):
        nothing = "nothing" if expected == 0 else "hardly anything"
        return f"where there was {nothing} {what}" if what.startswith("in ") else f"where {nothing} was {what}"
    share = figures.change(value, expected, event["unit"], _currency(event))
    percent = f" ({share})" if share else ""
    word = _word(event, value, expected)
    return f"{_difference(event, value, expected)}{percent} {word} than the {_amount(event, expected)} {what}"


def _brief(event: Mapping[str, Any], value: float, expected: float) -> str:
    """The same in a few words, for a title: '25% less than expected'."""
    if value == expected or _next_to_nothing(event, value, expected):
        return _against(event, value, expected)
    share = figures.change(value, expected, event["unit"], _currency(event))
    return f"{share or _difference(event, value, expected)} {_word(event, value, expected)} than expected"


def _next_to_nothing(event: Mapping[str, Any], value: float, expected: float) -> bool:
    """Whether beside the value, what was expected is too small to tell."""
    is_small = figures.is_small(expected, "money", _currency(event)) if event["unit"] == "money" else abs(expected) < 1
    return is_small and abs(expected) <= NEXT_TO_NOTHING * abs(value)


def _difference(event: Mapping[str, Any], value: float, expected: float) -> str:
    return _amount(event, _shown(event, abs(value - expected)))


def _word(event: Mapping[str, Any], value: float, expected: float) -> str:
    return "more" if value > expected else "fewer" if event["unit"] == "count" else "less"


def _range(event: Mapping[str, Any], opening: str) -> str:
    if not (_given(event.get("lower")) and _given(event.get("upper"))):
        return ""
    lower, upper = (_amount(event, _shown(event, event[side])) for side in ("lower", "upper"))
    return f"{opening} {lower} to {upper}." if lower != upper else f"{opening} {lower}."


def _drivers(event: Mapping[str, Any]) -> str:
    given = event.get("drivers")
    drivers = list(given) if isinstance(given, list | tuple) else []
    phrases = []
    for driver in sorted(drivers, key=lambda each: -abs(float(each["contribution"]))):
        value, expected = _shown(event, driver["value"]), _shown(event, driver["expected"])
        if value != expected:
            phrases.append(f"{driver['member_name']} ({_driven(event, value, expected)})")
    if not phrases:
        return ""
    told, rest = phrases[:MOST_DRIVERS], len(phrases) - MOST_DRIVERS
    if rest > 0:
        told.append(f"{rest} {'other' if rest == 1 else 'others'} with less")
    return f"What drove it: {figures.listed(told)}."


def _driven(event: Mapping[str, Any], value: float, expected: float) -> str:
    if _next_to_nothing(event, value, expected):
        return f"{_amount(event, value)}, {_against(event, value, expected)}"
    word = _word(event, value, expected)
    return f"{_difference(event, value, expected)} {word} than the {_amount(event, expected)} expected"


def _recommended(event: Mapping[str, Any]) -> str:
    known = RECOMMENDATIONS.get((str(event.get("metric")), str(event.get("direction"))))
    good = event.get("direction") == event.get("good_direction")
    return known or OTHERWISE["good" if good else "bad"]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _joined(sentences: list[str]) -> str:
    return " ".join(sentence for sentence in sentences if sentence)


def _given(value: Any) -> bool:
    """Whether a cell holds something: not None, NaN, NA or an empty text."""
    if value is None or value is pd.NA or value is pd.NaT or value == "":
        return False
    return not (isinstance(value, float) and math.isnan(value))
