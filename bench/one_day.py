"""CPU of one organisation's day: its models and insights, and the same day once more without a change.

    python -m bench.one_day [--bookings 20000]

Works on a server of its own in a temporary folder. CPU is that of this process and of the database server together.
It is printed in seconds and in units: a unit is one fit of a gradient boosting of fixed size, which is measured before
and after. A busy machine makes both slower, so the bars are in units.
"""

import argparse
import gc
import os
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date
from inspect import signature
from statistics import mean
from typing import Any, Final, cast

import dagster as dg
import lightgbm
import numpy as np
import psutil
import psycopg
from rich.console import Console

from bench.server import temporary_hub
from sources import database
from sources.settings import Settings, get_settings
from sources.simulate import load_sample

AS_OF: Final = date(2026, 10, 31)
BOOKINGS: Final = 20_000
SHARE: Final = 0.6  # of the sample's bookings are those of its larger organisation
UNIT_ROWS, UNIT_COLUMNS, UNIT_TREES = 20_000, 40, 150  # as large as the last fit of the forecasts
DAY_BAR, REPEAT_BAR = 8.0, 1.0  # seconds, where a unit takes UNIT_S
UNIT_S: Final = 0.35


def main() -> int:
    """Measure, print, and return 0 only if every bar is met."""
    parser = argparse.ArgumentParser(description="CPU of one organisation's models and insights.")
    parser.add_argument("--bookings", type=int, default=BOOKINGS, help=f"of the organisation (default {BOOKINGS:,})")
    bookings = parser.parse_args().bookings
    console = Console()
    with temporary_hub() as settings:
        url = database.database_url(settings)
        os.environ |= {"HUB_HOME": str(settings.home), "HUB_DATABASE_URL": url}
        get_settings.cache_clear()
        with console.status(f"A business of {bookings:,} bookings"):
            load_sample(settings, bookings=round(bookings / SHARE), as_of=AS_OF)
        with console.status("Its first run"):
            _run(settings)
        with psycopg.connect(url) as connection:
            postmaster = psutil.Process(connection.info.backend_pid).parent()
            assert postmaster is not None
            connection.execute(FORGET)
            connection.commit()
            units = [_cpu(postmaster, _unit)]
            gc.set_threshold(100_000, 20, 100)  # as in `hub run`
            with console.status("Its models and insights"):
                day = _cpu(postmaster, _model_and_tell)
                repeat = _cpu(postmaster, _model_and_tell)
            units.append(_cpu(postmaster, _unit))
    return report(console, bookings, day=day, repeat=repeat, unit=mean(units))


def _run(settings: Settings) -> None:
    from cli.run import prepare_dagster

    prepare_dagster(settings)
    from dagster_project import main_run  # needs the prepared instance and manifest

    outcome = main_run.execute(settings, as_of=AS_OF, on_step=lambda _: None)
    assert not outcome.failures, outcome.failures


# Leaves the larger organisation alone, with its warehouse, but without models and insights of the day.
FORGET: Final = """
delete from marts.dim_organization
where org_id <> (select org_id from marts.fct_bookings group by org_id order by count(*) desc limit 1);
delete from ml.fingerprints;
delete from ml.anomalies;
delete from ml.forecasts;
delete from ml.revenue_forecasts;
delete from app.insight_events;
"""


def _model_and_tell() -> None:
    """Do for each organisation of the warehouse what the assets of schema ml and the insights do in a run."""
    from dagster_project.insights.assets import events
    from dagster_project.modelling.assets import anomalies, forecasts, provider_workload
    from dagster_project.modelling.no_shows import no_shows
    from dagster_project.resources import HubDatabase

    assets = (anomalies, forecasts, provider_workload, no_shows, events)
    with (
        dg.DagsterInstance.get() as instance,
        HubDatabase().yield_for_execution(dg.build_init_resource_context()) as hub,
    ):
        known = {"context": dg.build_asset_context(instance=instance), "database": hub}
        for asset in assets:
            function = cast(Any, asset.op.compute_fn).decorated_fn  # without Dagster, which would lock again
            outputs = function(**{name: known[name] for name in signature(function).parameters})
            if isinstance(outputs, Iterator):
                list(outputs)


def _unit() -> None:
    """Fit a gradient boosting of fixed size on made rows."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(UNIT_ROWS, UNIT_COLUMNS)).astype(np.float32)
    target = features[:, :5].sum(axis=1) + rng.normal(size=UNIT_ROWS)
    parameters: dict[str, Any] = {"num_leaves": 24, "max_bin": 63, "num_threads": 1, "verbosity": -1}
    lightgbm.train(parameters, lightgbm.Dataset(features, target), UNIT_TREES)


def _cpu(postmaster: psutil.Process, work: Callable[[], object]) -> float:
    """Return the CPU seconds of this process and of the database server while `work` runs."""
    began = time.process_time() + _server_cpu(postmaster)
    work()
    return time.process_time() + _server_cpu(postmaster) - began


def _server_cpu(postmaster: psutil.Process) -> float:
    """Return the CPU seconds of the server's processes, with those of its ended ones."""
    times = postmaster.cpu_times()
    total = times.user + times.system + times.children_user + times.children_system
    for backend in postmaster.children():
        try:
            times = backend.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


def report(console: Console, bookings: int, *, day: float, repeat: float, unit: float) -> int:
    """Print the measurements; return 0 if every bar is met, else 1."""
    console.print(f"One organisation of {bookings:,} bookings; a unit is a fit of {unit:.2f} s of CPU")
    are_met = True
    for name, seconds, bar in (
        ("models and insights of a day", day, DAY_BAR),
        ("the same once more", repeat, REPEAT_BAR),
    ):
        ratio, limit = seconds / unit, bar / UNIT_S
        are_met &= ratio <= limit
        console.print(
            f"{'[green]met[/]' if ratio <= limit else '[red]missed[/]'} {name}: {seconds:.2f} s of CPU, "
            f"{ratio:.1f} units (bar: {limit:.1f})"
        )
    return 0 if are_met else 1


if __name__ == "__main__":
    sys.exit(main())
