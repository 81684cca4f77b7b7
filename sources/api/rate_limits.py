"""Rate limits per caller and per address."""

import math
import time
from typing import Final, Literal

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from sources.api import metrics
from sources.errors import HubError
from sources.settings import Settings

By = Literal["caller", "address"]
DETAIL: Final = "Too many requests: wait for the seconds in Retry-After."


class RateLimits:
    """Fixed windows (12 us per count, a moving window takes 40), in the memory of this process.

    Each of several workers allows its share. Raises HubError where a setting is not a valid limit.
    """

    def __init__(self, settings: Settings) -> None:
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._limits: dict[By, RateLimitItem] = {
            "caller": _share(settings.rate_limit, "HUB_RATE_LIMIT", settings.api_workers),
            "address": _share(settings.rate_limit_address, "HUB_RATE_LIMIT_ADDRESS", settings.api_workers),
        }

    def count(self, by: By, name: str) -> int | None:
        """Count a request of the caller or address `name`; return the seconds to wait above the limit, else None."""
        return None if self._limiter.hit(self._limits[by], by, name) else self._wait(by, name)

    def reached(self, by: By, name: str) -> int | None:
        """Return the seconds to wait where the limit of `name` is reached, else None; the request is not counted."""
        return None if self._limiter.test(self._limits[by], by, name) else self._wait(by, name)

    def _wait(self, by: By, name: str) -> int:
        metrics.rate_limited.labels(by).inc()
        window = self._limiter.get_window_stats(self._limits[by], by, name)
        return max(1, math.ceil(window.reset_time - time.time()))


def _share(text: str, setting: str, workers: int) -> RateLimitItem:
    try:
        limit = parse(text)
    except ValueError:
        raise HubError(f"The setting {setting} is not usable: {text!r} is not a limit such as 600/minute.") from None
    return type(limit)(max(1, limit.amount // workers), limit.multiples)
