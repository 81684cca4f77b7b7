"""The text of what is on hand for the coming weeks, beside the same moment of the last year."""

from typing import Final

from insights.findings import Finding
from insights.narrative import phrases
from sources import formatting

YEAR_AGO: Final = "on hand at this time last year"


def describe(finding: Finding) -> phrases.Text:
    """Return title, summary and recommendation."""
    value, expected = (phrases.rounded(finding, finding[name]) for name in ("value", "expected"))
    days = phrases.days(finding["horizon"])
    side = "ahead of" if value > expected else "behind"
    share = formatting.change(value, expected, finding["unit"], phrases.currency(finding))
    distance = share or phrases.difference(finding, value, expected)
    bookings = formatting.counted(finding["bookings"], "booking")
    sentences = [
        f"For the {days} after {phrases.day(finding)}, bookings of {phrases.amount(finding, value)} are on hand"
        f"{phrases.at_organization(finding)}, {phrases.comparison(finding, value, expected, YEAR_AGO)}.",
        f"These are {bookings}; there were {formatting.count(finding['bookings_year_ago'])}.",
        _usual(finding),
        _weeks(finding),
        _services(finding),
    ]
    title = f"Bookings on hand for the next {days}: {distance} {side} last year"
    return title, phrases.joined(sentences), _recommendation(finding, value > expected)


def _usual(finding: Finding) -> str:
    lower, upper = (phrases.amount(finding, phrases.rounded(finding, finding[side])) for side in ("lower", "upper"))
    return f"By the differences from last year of the last half year, {lower} to {upper} would be usual."


def _weeks(finding: Finding) -> str:
    weeks = [formatting.day_month(week["first_day"]) for week in finding["weeks"]]
    if not weeks:
        return ""
    which = "weeks" if len(weeks) > 1 else "week"
    return f"Most of the difference is in the {which} from {formatting.listed(weeks)}."


def _services(finding: Finding) -> str:
    services = [
        f"{driver['member_name']} "
        f"({phrases.difference(finding, *(phrases.rounded(finding, driver[name]) for name in ('value', 'expected')))} "
        f"{phrases.more_or_less(finding, driver['value'], driver['expected'])} than a year ago)"
        for driver in finding["drivers"]
    ]
    return f"Main services: {formatting.listed(services)}." if services else ""


def _recommendation(finding: Finding, is_ahead: bool) -> str:
    names = [driver["member_name"] for driver in finding["drivers"]]
    services = formatting.listed(names) if names else "the services concerned"
    weeks = [formatting.day_month(week["first_day"]) for week in finding["weeks"]]
    when = f" in the weeks from {formatting.listed(weeks)}" if weeks else ""
    if not is_ahead and finding.get("overloading"):
        return phrases.NOT_MORE_BOOKINGS
    if is_ahead:
        return f"Check that there are hours enough for {services}{when}, before more is accepted."
    return f"Offer dates for {services}{when}: follow up their open quotes, and invite clients who had them a year ago."
