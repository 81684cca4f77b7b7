"""The text of a provider's absence: an anomaly of the hours that is told by the bookings."""

from insights.findings import Finding
from insights.narrative import phrases
from sources import formatting


def describe(finding: Finding) -> phrases.Text:
    """Return title, summary and recommendation."""
    name, absence = finding["member_name"], finding["absence"]
    is_entered = absence["ends_on"] is not None
    removed = absence["called_off"] + absence["moved"]
    since = formatting.day_month(finding["started_on"])
    bookings = [
        *([f"{formatting.counted(absence['waiting'], 'booking')} {_verb(absence['waiting'], 'waits', 'wait')}"]
          if absence["waiting"] else []),
        *([f"{formatting.counted(removed, 'booking')} {_verb(removed, 'was', 'were')} called off or moved"]
          if removed else []),
    ]  # fmt: skip
    consequence = formatting.listed(bookings)
    probably = "" if is_entered else "probably "
    title = f"{name} has {probably}been absent since {since}" + (f": {consequence}" if consequence else "")
    sentences = [
        _since(finding),
        _hours(finding),
        f"{consequence[:1].upper()}{consequence[1:]}." if consequence and is_entered else "",
        _money(finding),
        _coming(finding),
    ]
    return title, phrases.joined(sentences), _recommendation(finding)


def _verb(number: int, one: str, more: str) -> str:
    return one if number == 1 else more


def _since(finding: Finding) -> str:
    """Return the sentence of how the absence is known."""
    name, absence = finding["member_name"], finding["absence"]
    first = formatting.long_day(finding["started_on"])
    if absence["ends_on"] is not None:
        return (
            f"{name} has been absent{phrases.at_organization(finding)} since {first}, until "
            f"{formatting.long_day(absence['ends_on'])} as entered; the absence was not planned."
        )
    removed = formatting.counted(absence["called_off"] + absence["moved"], "booking")
    return (
        f"Since {first}, {removed} of {name}{phrases.at_organization(finding)} were called off "
        f"({absence['called_off']}) or moved to other days ({absence['moved']}) while those of colleagues stand, and "
        f"no work of {name} is recorded. That points to an absence that is not entered."
    )


def _hours(finding: Finding) -> str:
    planned = phrases.amount(finding, phrases.rounded(finding, finding["expected"]))
    return f"Of the {planned} planned up to {phrases.day(finding)}, nothing was done."


def _money(finding: Finding) -> str:
    impact, currency = abs(finding["impact"]), phrases.currency(finding)
    return f"These bookings are worth {formatting.money(impact, currency)}." if impact else ""


def _coming(finding: Finding) -> str:
    """Return the sentence of the bookings that still stand; empty where none do."""
    coming = finding["absence"]["coming"]
    if not coming:
        return ""
    return f"{formatting.counted(coming, 'coming booking')} still {_verb(coming, 'stands', 'stand')}."


def _recommendation(finding: Finding) -> str:
    name = finding["member_name"]
    if finding["absence"]["ends_on"] is not None:
        return f"Move the bookings of {name} to colleagues, or offer their clients other days."
    return f"Ask {name} until when the absence lasts and enter it, so that nothing more is booked on these days."
