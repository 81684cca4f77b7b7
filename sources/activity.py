"""Whether the data of a business go on or have ended."""

from datetime import date
from typing import Final

# Data without activity for so long have ended: hardly any business that goes on records nothing for four whole weeks.
ENDED_DAYS: Final = 28


def has_ended(last_day: date | None, day: date) -> bool:
    """Whether, on `day`, the last activity (None: there was none) lay too far back for the data to go on."""
    return last_day is not None and (day - last_day).days >= ENDED_DAYS
