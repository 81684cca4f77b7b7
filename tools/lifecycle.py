"""Writer of docs/lifecycle.md: the lifecycle of a booking, from sources/lifecycle.py.

python -m tools.lifecycle
"""

from pathlib import Path
from typing import Final

from sources import lifecycle
from sources.lifecycle import Status, Transition, words

PAGE: Final = Path(__file__).parent.parent / "docs" / "lifecycle.md"
TEMPLATE: Final = """\
# The lifecycle of a booking

This page is written by `python -m tools.lifecycle` from `sources/lifecycle.py`, which defines the lifecycle for the
API, the import, the sample business, the automatic transitions and dbt.

## Statuses

A booking begins as {initial}.

| status | group | holds time | approvable | workable | needs provider | work | waits for | billable |
|---|---|---|---|---|---|---|---|---|
{statuses}

- *group*: the group that reports count the booking in. Ongoing and completed bookings are firm.
- *holds time*: an exclusive booking keeps its provider's time from other exclusive bookings.
- *approvable*: approvals of the booking as a whole may be requested and decided.
- *workable*: time may be entered, and tasks and milestones may be worked on.
- *needs provider*: the provider may be replaced, but not removed.
- *work*: while it is none, a client may reschedule the booking. While it is begun or resting, a client may approve or
  reject milestones. Until it is over, the provider and admins may reschedule the booking and plan milestones and tasks.
- *waits for*: whom an overdue booking waits for. It waits for payment only while one of its invoices is past due and
  unpaid, otherwise for its provider.
- *billable*: the most that the invoices of the booking may be together: its price, which both sides have agreed to,
  its cancellation fee, or nothing.

The moment of the end is required, except of an imported booking: {ends}.

## Transitions

A client and a provider may act on their own bookings, an admin on every booking of the organisation. The system takes
an automatic transition in the same transaction as the event that causes it, or when its delay is over.

```mermaid
{diagram}```

| action | from | to | roles | requires | automatic after |
|---|---|---|---|---|---|
{transitions}

Requirements, with the error message where one is missing:

{requirements}
"""


def page() -> str:
    """Return the text of docs/lifecycle.md."""
    return TEMPLATE.format(
        initial=" or ".join(f"`{status}`" for status in lifecycle.INITIAL),
        statuses="\n".join(_status_row(status) for status in lifecycle.RECORDS),
        ends=", ".join(f"`{column}` of `{status}`" for status, column in lifecycle.END_COLUMNS.items()),
        diagram=lifecycle.diagram(),
        transitions="\n".join(_transition_row(transition) for transition in lifecycle.TRANSITIONS),
        requirements="\n".join(f"- `{name}`: {message}" for name, message in lifecycle.REQUIREMENTS.items()),
    )


def _status_row(status: Status) -> str:
    return _row(
        f"`{status.name}`",
        status.group,
        _yes(status.holds_time),
        _yes(status.approvable),
        _yes(status.workable),
        _yes(status.needs_provider),
        status.work,
        status.waits_for if status.group == "ongoing" else "",
        status.billable,
    )


def _transition_row(transition: Transition) -> str:
    return _row(
        f"`{transition.action}`",
        ", ".join(map(words, transition.sources)),
        words(transition.target),
        ", ".join(transition.by),
        ", ".join(f"`{name}`" for name in transition.requires),
        transition.automatic,
    )


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _yes(value: bool) -> str:
    return "yes" if value else ""


if __name__ == "__main__":
    PAGE.write_text(page())
