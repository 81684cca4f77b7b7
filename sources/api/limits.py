"""How many requests a caller, and an address, may send."""

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
DETAIL: Final = "Too many requests: wait for the seconds that Retry-After says."


class RateLimits:
    """Counts in fixed windows (12 us a count, the moving window 40), in the memory of this process.

    Of several workers each allows its share. Raises HubError where a setting is no limit.
    """

    def __init__(self, settings: Settings) -> None:
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._limits: dict[By, RateLimitItem] = {
            "caller": _share(settings.rate_limit, "HUB_RATE_LIMIT", settings.api_workers),
            "address": _share(settings.rate_limit_address, "HUB_RATE_LIMIT_ADDRESS", settings.api_workers),
        }

    def count(self, by: By, who: str) -> int | None:
        """Count a request of `who`: None, or the seconds to wait where it is one too many."""
        limit = self._limits[by]
        if self._limiter.hit(limit, by, who):
            return None
        metrics.rate_limited.labels(by).inc()
        return max(1, math.ceil(self._limiter.get_window_stats(limit, by, who).reset_time - time.time()))


def _share(text: str, setting: str, workers: int) -> RateLimitItem:
    try:
        limit = parse(text)
    except ValueError:
        raise HubError(f"The setting {setting} is not usable: {text!r} is no limit such as 600/minute.") from None
    return type(limit)(max(1, limit.amount // workers), limit.multiples)
