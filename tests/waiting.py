"""Waiting for a condition, on a machine of any speed."""

import time
from collections.abc import Callable
from typing import Final

PATIENCE_S: Final = 60.0  # only a test that fails waits this long; a busy machine needs a second for 10 ms of work


def wait_until(holds: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    """Return as soon as `holds()` is true. Raises AssertionError if it is not within `patience_s` seconds."""
    deadline = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < deadline, f"the condition did not hold within {patience_s:.0f} s"
        time.sleep(0.02)
