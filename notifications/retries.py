"""Retries: the number of attempts, and the delay before the next one."""

from collections.abc import Callable
from typing import Final

# Twelve attempts with these waits last 8 hours on average and 16 at most: a receiver may be down for a night.
MAX_ATTEMPTS: Final = 12
BACKOFF_FIRST_S: Final = 60.0
BACKOFF_MAX_S: Final = 4 * 3600.0

Jitter = Callable[[float, float], float]


def wait_s(attempt: int, after_s: float | None, jitter: Jitter) -> float:
    """Return the seconds to wait after a failed attempt (counted from 1): exponential backoff with full jitter
    (aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter), and never less than the receiver asked for."""
    ceiling = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2 ** (attempt - 1))
    return max(after_s or 0.0, jitter(0.0, ceiling))
