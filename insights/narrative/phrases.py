"""Phrases that the texts of all kinds share: amounts, comparisons, ranges, days and drivers of a finding."""

from collections.abc import Sequence
from typing import Final

import pandas as pd

from insights.findings import Finding
from sources import formatting

# An expected figure below this share of the value is described as (hardly) anything instead of by its number.
NEGLIGIBLE_SHARE: Final = 0.1
LEAST_WHOLE: Final = 3  # nobody makes half a booking; an expected count up to this would be far off as a whole one
LEAST_SHARE: Final = 0.005  # of a figure that is itself a share: a smaller one is shown as 0%

# Advice on a fall of what is to come while some providers have more work than hours: more bookings as such do not help.
NOT_MORE_BOOKINGS: Final = (
    "Find out which services lack bookings; their providers may have time for work that others cannot fit in."
)

Text = tuple[str, str, str]  # title, summary, recommendation


# The words between a figure and the member of each dimension.
MEMBERS: Final = {
    "service": "for {}",
    "provider": "of {}",
    "client_group": "of the client group {}",
    "channel": "through {}",
    "service_weekday": "for {}s",
    "lead_bucket": "with lead time {}",
}
# The words for each dimension, where a change is spread over it.
DIMENSIONS: Final = {
    "service": "services",
    "provider": "providers",
    "client_group": "client groups",
    "channel": "channels",
    "service_weekday": "weekdays of service",
    "lead_bucket": "lead times",
}
# The name of a driver, where its own does not say what it is.
DRIVERS: Final = {
    "client_group": "the client group {}",
    "channel": "the channel {}",
    "service_weekday": "services on {}s",
    "lead_bucket": "lead time {}",
}

# What kind of money a change of a figure is that is no sum of money, by metric and direction.
MONEY: Final = {
    ("bookings_created", "down"): "The missing bookings are worth about {}.",
    ("bookings_created", "up"): "The extra bookings are worth about {}.",
    ("bookings_cancelled", "up"): "The bookings cancelled beyond the usual are worth about {}.",
    ("bookings_completed", "down"): "The work not done is worth about {}; what was moved to other days is not lost.",
    ("booked_hours", "down"): "The work not done is worth about {}; what was moved to other days is not lost.",
    ("no_show_rate", "up"): "The bookings missed beyond the usual are worth about {}.",
    ("failed_payments", "up"): "About {} of payments is outstanding.",
    # That hours are not entered loses no money by itself.
    ("tracked_hours", "down"): "So many hours bring about {}.",
    ("tracked_hours", "up"): "So many hours bring about {}.",
}


def subject(finding: Finding) -> str:
    """Return the name of the figure, as in 'bookings created for Massage'."""
    return f"{finding['label']}{of_member(finding)}"


def of_member(finding: Finding) -> str:
    """Return the words of the member that a figure is of, as in ' for Massage'; empty of the total."""
    words = MEMBERS.get(finding.get("dimension") or "")
    return f" {words.format(finding['member_name'])}" if words and finding.get("member_name") else ""


def at_organization(finding: Finding) -> str:
    """Return the name of the organisation with 'at'; empty where it is not known."""
    return f" at {finding['organization']}" if finding.get("organization") else ""


def day(finding: Finding) -> str:
    """Return the day of the finding in words."""
    return formatting.long_day(pd.Timestamp(finding["day"]).date())


def days(horizon: float) -> str:
    """Return the length of the horizon: 'day' or '28 days'."""
    return "day" if int(horizon) == 1 else f"{int(horizon)} days"


def rounded(finding: Finding, number: float) -> float:
    """Return the number as it is shown; counts above LEAST_WHOLE as whole numbers."""
    is_whole = finding["unit"] == "count" and abs(number) > LEAST_WHOLE
    return float(round(number)) if is_whole else formatting.rounded(number, finding["unit"], currency(finding))


def amount(finding: Finding, rounded: float) -> str:
    """Return the figure in its unit."""
    return formatting.figure(rounded, finding["unit"], currency(finding))


def currency(finding: Finding) -> str | None:
    return str(finding["currency"]) if finding.get("currency") else None


def comparison(finding: Finding, value: float, base: float, base_name: str = "expected") -> str:
    """Compare the value with its base, as in '€300 (25%) less than the €1,200 expected'."""
    if value == base:
        return f"the same as {'' if base_name.startswith('in ') else 'was '}{base_name}"
    if not value and base_name == "expected":
        return f"where {amount(finding, base)} {was(finding, base)} expected"
    if is_negligible(finding, value, base):
        nothing = "nothing" if base == 0 else "hardly anything"
        return (
            f"where there was {nothing} {base_name}"
            if base_name.startswith("in ")
            else f"where {nothing} was {base_name}"
        )
    share = formatting.change(value, base, finding["unit"], currency(finding))
    percent = f" ({share})" if share else ""
    more = more_or_less(finding, value, base)
    return f"{difference(finding, value, base)}{percent} {more} than the {amount(finding, base)} {base_name}"


def short_comparison(finding: Finding, value: float, expected: float) -> str:
    """Compare the value with the expected one in the few words of a title: '25% less than expected'."""
    if value == expected or not value or is_negligible(finding, value, expected):
        return comparison(finding, value, expected)
    share = formatting.change(value, expected, finding["unit"], currency(finding))
    size = share or difference(finding, value, expected)
    return f"{size} {more_or_less(finding, value, expected)} than expected"


def was(finding: Finding, number: float) -> str:
    """Return the verb of the figure: 'were' of several bookings or hours."""
    return "were" if finding["unit"] in ("count", "hours") and number != 1 else "was"


def is_negligible(finding: Finding, value: float, expected: float) -> bool:
    """Return True if the expected figure is too small beside the value to be worth its number."""
    is_money = finding["unit"] == "money"
    least = LEAST_SHARE if finding["unit"] == "share" else 1
    is_small = formatting.is_small(expected, "money", currency(finding)) if is_money else abs(expected) < least
    return is_small and abs(expected) <= NEGLIGIBLE_SHARE * abs(value)


def difference(finding: Finding, value: float, expected: float) -> str:
    """Return the distance between value and base, in its unit; of shares in percentage points."""
    if finding["unit"] == "share":
        points = formatting.figure(round(100 * abs(value - expected), 1), "count")
        return f"{points} percentage points"
    return amount(finding, rounded(finding, abs(value - expected)))


def more_or_less(finding: Finding, value: float, expected: float) -> str:
    """Return 'more', 'fewer' (of counts) or 'less'."""
    return "more" if value > expected else "fewer" if finding["unit"] == "count" else "less"


def range_of(finding: Finding, opening: str) -> str:
    """Return the sentence of the range; empty where there is none."""
    if finding["lower"] is None or finding["upper"] is None:
        return ""
    lower, upper = (amount(finding, rounded(finding, finding[side])) for side in ("lower", "upper"))
    return f"{opening} {lower} to {upper}." if lower != upper else f"{opening} {lower}."


def drivers(finding: Finding) -> str:
    """Return the sentence of the drivers, the largest first, or that there are none in particular."""
    named = []
    for driver in sorted(finding["drivers"], key=lambda each: -abs(float(each["contribution"]))):
        value, expected = rounded(finding, driver["value"]), rounded(finding, driver["expected"])
        if value != expected:
            name = DRIVERS.get(driver["dimension"], "{}").format(driver["member_name"])
            named.append(f"{name} ({driver_change(finding, value, expected)})")
    if named:
        return f"Main {'driver' if len(named) == 1 else 'drivers'}: {formatting.listed(named)}."
    spread = [DIMENSIONS[name] for name in finding.get("spread_over") or []]
    if not spread:
        return ""
    if finding.get("dimension") != "total":
        return f"Nothing stands out among its {formatting.listed(spread)}."
    return f"It is spread over {formatting.listed(spread)}: the cause is probably a common one."


def driver_name(members: Sequence[tuple[str, str]]) -> str:
    """Return the name of a driver, of a dimension and its member, or of some: 'Massage of the client group Agency'."""
    (dimension, name), *others = members
    if not others:
        return name
    parts = [DRIVERS.get(dimension, "{}").format(name), *(MEMBERS[other].format(each) for other, each in others)]
    return " ".join(parts)


def driver_change(finding: Finding, value: float, expected: float) -> str:
    """Return the change of one driver in words."""
    if is_negligible(finding, value, expected):
        return f"{amount(finding, value)}, {comparison(finding, value, expected)}"
    if not value:
        return f"none, {comparison(finding, value, expected)}"
    more = more_or_less(finding, value, expected)
    return f"{difference(finding, value, expected)} {more} than the {amount(finding, expected)} expected"


def capitalised(text: str) -> str:
    """Return the text with a capital letter at its beginning."""
    return text[:1].upper() + text[1:]


def joined(sentences: list[str]) -> str:
    """Join the sentences that are not empty."""
    return " ".join(sentence for sentence in sentences if sentence)


def money_of(finding: Finding) -> str:
    """Return the sentence of the money of a figure that is no sum of money; empty where it is not known."""
    impact = finding.get("impact")
    is_money = finding["unit"] == "money" and not finding.get("denominator")
    if not impact or is_money:
        return ""
    size = formatting.money(formatting.rounded(abs(impact), "money", currency(finding)), currency(finding))
    return MONEY.get((str(finding.get("metric")), str(finding.get("direction"))), "This is worth about {}.").format(
        size
    )


def effect_sentence(finding: Finding) -> str:
    """Return the sentence that tells an effect of another finding."""
    value, expected = rounded(finding, finding["value"]), rounded(finding, finding["expected"])
    name, shown = capitalised(subject(finding)), amount(finding, value)
    if finding["kind"] == "forecast":
        before = comparison(finding, value, expected, f"in the {days(finding['horizon'])} before")
        return f"For the next {days(finding['horizon'])}, {shown} of {subject(finding)} is forecast, {before}."
    if finding["kind"] != "anomaly":
        return f"{name}: {shown}, {comparison(finding, value, expected, 'a year ago')}."
    return f"{name}: {shown}, {comparison(finding, value, expected)}."
