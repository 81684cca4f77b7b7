"""Waiting for what has to happen: until it holds, however fast or slow the machine is."""

import time
from collections.abc import Callable
from typing import Final

PATIENCE_S: Final = 60.0  # only a test that fails waits so long: a busy machine takes a second for what takes 10 ms


def wait_until(holds: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    """Return as soon as `holds()` is true; fail where it is not within `patience_s`."""
    deadline = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < deadline, f"it did not happen within {patience_s:.0f} s"
        time.sleep(0.02)
