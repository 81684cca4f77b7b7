"""The texts of overdue invoices and of finished work without an invoice."""

from typing import Final

from insights.findings import Finding
from insights.narrative import phrases
from sources import formatting

OVERDUE_RECOMMENDATION: Final = "Ask for payment, the oldest and largest invoices first."
UNBILLED_RECOMMENDATION: Final = "Invoice the finished work, the largest amounts first."


def describe(finding: Finding) -> phrases.Text:
    """Return title, summary and recommendation."""
    return _overdue(finding) if finding["metric"] == "overdue_amount" else _unbilled(finding)


def _overdue(finding: Finding) -> phrases.Text:
    value, usual = (phrases.rounded(finding, finding[name]) for name in ("value", "expected"))
    amount = phrases.amount(finding, value)
    invoices = formatting.counted(finding["invoices"], "invoice")
    ages = [
        f"{phrases.amount(finding, phrases.rounded(finding, age['amount']))} for {age['age']} "
        f"({formatting.counted(age['invoices'], 'invoice')})"
        for age in finding["ages"]
    ]
    verb = "is" if finding["invoices"] == 1 else "are"
    sentences = [
        f"At the end of {phrases.day(finding)}, {invoices}{phrases.at_organization(finding)} {verb} overdue with "
        f"{amount}, {phrases.comparison(finding, value, usual, 'usual in the last half year')}.",
        f"By age: {formatting.listed(ages)}." if ages else "",
    ]
    title = f"Overdue invoices: {amount}, usually {phrases.amount(finding, usual)}"
    return title, phrases.joined(sentences), OVERDUE_RECOMMENDATION


def _unbilled(finding: Finding) -> phrases.Text:
    value, usual = (phrases.rounded(finding, finding[name]) for name in ("value", "expected"))
    amount = phrases.amount(finding, value)
    bookings = formatting.counted(finding["bookings"], "finished booking")
    hours = f" with {formatting.figure(finding['hours'], 'hours')} of tracked work" if finding["hours"] else ""
    verb = "has" if finding["bookings"] == 1 else "have"
    sentences = [
        f"Up to {phrases.day(finding)}, {bookings}{phrases.at_organization(finding)}{hours}, the first of "
        f"{formatting.date_words(finding['first_day'])}, {verb} no invoice for {amount}, "
        f"{phrases.comparison(finding, value, usual, 'usual for a quarter')}.",
    ]
    return f"Not invoiced: {amount} of finished work", phrases.joined(sentences), UNBILLED_RECOMMENDATION
