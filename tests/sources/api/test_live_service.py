"""Live changes of a served process: the bench, scaled down and without its limits of speed."""

from bench import live
from dashboard.__main__ import GRACE_S
from sources.settings import Settings


def test_changes_reach_many_listeners_and_a_shutdown_waits_for_none(settings: Settings) -> None:
    settings.home.mkdir(parents=True)
    report = live.measure(settings, listeners=20, rate=50, seconds=1)
    assert (report.missed, report.repeated, report.dropped) == (0, 0, 0)
    assert report.stopped_in_s < GRACE_S  # the duration of a shutdown that waits for the listeners
