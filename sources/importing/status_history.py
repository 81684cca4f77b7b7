"""The status history of a booking, from the events that a row of a file contains."""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from sources.lifecycle import END_COLUMNS, leads_to

HistoryEntry = tuple[datetime | None, int, str]  # time (None: unknown), position in the mapping, status


def order_events(
    status: str, created_at: datetime | None, closed_at: datetime | None, events: Sequence[HistoryEntry]
) -> tuple[list[HistoryEntry], bool]:
    """Return the events in order, the booking's own status last; and True if that order is unusual.

    A final status that has no time but that of the booking itself gets an unknown time.
    """
    entries = sorted(events, key=lambda event: (event[0], event[1]))
    unusual = False
    last = next((entry for entry in reversed(entries) if entry[2] == status), None)
    if last is None:
        entries.append((None, len(events), status))
    elif status in END_COLUMNS and closed_at is None and last[0] == created_at:
        entries.remove(last)
        entries.append((None, len(events), status))
    elif last != entries[-1]:
        unusual = True
        entries.remove(last)
        entries.append((entries[-1][0], len(events), status))
    steps = [entry for number, entry in enumerate(entries) if number == 0 or entry[2] != entries[number - 1][2]]
    return steps, unusual or any(not leads_to(before[2], after[2]) for before, after in pairwise(steps))


def as_text(entries: Sequence[HistoryEntry]) -> str:
    """Return the history as it is staged: requested=2025-03-01T00:00:00+00:00;cancelled=? with ? for unknown."""
    return ";".join(f"{status}={time.isoformat() if time else '?'}" for time, _, status in entries)
