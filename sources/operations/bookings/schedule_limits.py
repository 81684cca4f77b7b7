"""Limits of the times of bookings: of each start, and of each length."""

from datetime import datetime, timedelta
from typing import Final

import asyncpg

from sources.operations.errors import Refusal
from sources.operations.transaction import Tx

FURTHEST: Final = timedelta(days=3660)  # from now to a start: about ten years
LONGEST: Final = timedelta(days=366)
LONGEST_BY_CLIENT: Final = timedelta(days=31)  # of a service without a duration
EARLIEST_BY_STAFF: Final = timedelta(days=366)  # before now: staff may record what has taken place
CLOCK_SKEW: Final = timedelta(minutes=5)  # by which the clocks of clients differ


def offered_length(offer: asyncpg.Record) -> timedelta | None:
    """Return the duration of a package or service (hours_included, duration_hours); None where it has none."""
    hours = offer["hours_included"] or offer["duration_hours"]
    return timedelta(hours=float(hours)) if hours else None


def check_schedule(
    tx: Tx, start: datetime | None, end: datetime, offered: timedelta | None, present: timedelta = timedelta(0)
) -> None:
    """Raise Refusal invalid where the caller may not book this time.

    `offered`: the length that a client may book at most, None where the service has no duration; `present`: the length
    that the booking has already, which it may keep.
    """
    if start is None or end <= start:
        raise Refusal("invalid", "bad_schedule", "The end must lie after the start.", field="scheduled_end")
    is_client = tx.caller.role == "client"
    if start < tx.at - (CLOCK_SKEW if is_client else EARLIEST_BY_STAFF):
        raise Refusal("invalid", "starts_too_early", "The start has passed.", field="scheduled_start")
    if start > tx.at + FURTHEST:
        raise Refusal("invalid", "starts_too_late", f"The start lies more than {FURTHEST.days} days ahead.",
                      field="scheduled_start")  # fmt: skip
    longest = max(present, (offered or LONGEST_BY_CLIENT) if is_client else LONGEST)
    if end - start > longest:
        raise Refusal("invalid", "too_long", f"The booking is longer than {longest / timedelta(hours=1):g} hours.",
                      field="scheduled_end")  # fmt: skip
