"""The chain of statuses of a booking, from the events that a row of a file gives."""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Final

from sources.lifecycle import END_COLUMNS, leads_to

# The column that holds the moment of a status in which a booking has ended.
MOMENT_OF_END: Final = END_COLUMNS

Event = tuple[datetime | None, int, str]  # the moment (None: nobody knows it), the place in the mapping, the status


def chain_of(
    status: str, booked: datetime | None, ended: datetime | None, events: Sequence[Event]
) -> tuple[list[Event], bool]:
    """The events in order, the booking's own status last; and whether that order is unusual.

    An end that is dated by the moment of the booking alone has no known moment.
    """
    chain = sorted(events, key=lambda event: (event[0], event[1]))
    unusual = False
    last = next((event for event in reversed(chain) if event[2] == status), None)
    if last is None:
        chain.append((None, len(events), status))
    elif status in MOMENT_OF_END and ended is None and last[0] == booked:
        chain.remove(last)
        chain.append((None, len(events), status))
    elif last != chain[-1]:
        unusual = True
        chain.remove(last)
        chain.append((chain[-1][0], len(events), status))
    steps = [event for n, event in enumerate(chain) if n == 0 or event[2] != chain[n - 1][2]]
    return steps, unusual or any(not leads_to(before[2], after[2]) for before, after in pairwise(steps))


def as_text(chain: Sequence[Event]) -> str:
    """The chain as it is staged: requested=2025-03-01T00:00:00+00:00;cancelled=? where nobody knows when."""
    return ";".join(f"{status}={moment.isoformat() if moment else '?'}" for moment, _, status in chain)
