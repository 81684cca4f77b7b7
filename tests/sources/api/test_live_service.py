"""The live updates of a process as it is served: its bench, scaled down."""

import numpy as np

from bench import live
from sources.settings import Settings


def test_changes_reach_many_listeners_soon_and_a_stop_waits_for_none(settings: Settings) -> None:
    settings.home.mkdir(parents=True)
    report = live.measure(settings, listeners=20, rate=50, seconds=1)
    assert (report.missed, report.repeated, report.dropped) == (0, 0, 0)
    assert np.percentile(report.latencies, 95) < 1
    assert report.stopped_in_s < live.STOP_BAR_S
