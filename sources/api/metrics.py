"""Metrics of the API for Prometheus.

Several workers share their metrics through files in PROMETHEUS_MULTIPROC_DIR, which `python -m sources.api` sets.
"""

import os
from functools import lru_cache
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
    multiprocess,
)

from sources.operations.transaction import Pool

BUCKETS_S: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
MULTIPROCESS_DIR: Final = "PROMETHEUS_MULTIPROC_DIR"

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second line per metric without use
_requests = Histogram(
    "hub_http_request_seconds", "Time until the response starts.", ["method", "route", "status"], buckets=BUCKETS_S
)
rate_limited = Counter("hub_rate_limited", "Requests refused by a rate limit.", ["by"])
unhandled = Counter("hub_unhandled_errors", "Requests that failed with an unexpected error.")
_connections = Gauge("hub_pool_connections", "Database connections.", ["state"], multiprocess_mode="livesum")
_waiting = Gauge("hub_pool_waiting", "Requests that wait for a connection.", multiprocess_mode="livesum")


@lru_cache(maxsize=2000)
def _requests_of(method: str, route: str, status: int) -> Histogram:
    return _requests.labels(method, route, str(status))


def observe_request(method: str, route: str, status: int, seconds: float) -> None:
    """Count a request. `route` is the path template, which keeps the number of label values small."""
    _requests_of(method, route, status).observe(seconds)


def sample_pool(pool: Pool, in_flight: int) -> None:
    """Set the gauges of the pool; `in_flight`: the operations that hold a connection or wait for one."""
    size, idle = pool.get_size(), pool.get_idle_size()
    _connections.labels("in_use").set(size - idle)
    _connections.labels("idle").set(idle)
    _connections.labels("limit").set(pool.get_max_size())
    _waiting.set(max(0, in_flight - (size - idle)))


def exposition() -> bytes:
    """Return the metrics of all workers in the text format of Prometheus."""
    if MULTIPROCESS_DIR not in os.environ:
        return generate_latest()
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def forget_worker() -> None:
    """Remove the gauges of this process at its end."""
    if MULTIPROCESS_DIR in os.environ:
        multiprocess.mark_process_dead(os.getpid())  # type: ignore[no-untyped-call]
