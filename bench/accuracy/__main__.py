"""How well the Hub forecasts and finds anomalies beside what people use today.

    python -m bench.accuracy [--data FOLDER] [--bookings FILE] [--only forecasts|anomalies] [--origins 4]
        [--cache FOLDER] [--output FOLDER]

Needs what requirements.lock beside this file lists. --data is a folder of public data sets (by default
$HUB_SHARED_DATA or ../shared/data), without which the made businesses alone are measured; --bookings is a CSV of
bookings (business, country, service_day, made, gone, revenue, service): those of the sample business, or your own.
--origins is how many past days each series is forecast from. --cache keeps what the peers said, which never changes:
their fits are most of the time, which is an hour or more of one core. Tables and a plot are printed,
and written to --output.
"""

import argparse
import logging
import os
import warnings
from pathlib import Path

import pandas as pd
from rich.console import Console

from bench.accuracy import anomalies, data, forecasts, own_bookings, plots
from bench.accuracy.data import DataSet


def main() -> None:
    """Measure, print, and write accuracy.txt and accuracy.png."""
    asked = _asked()
    console = Console(width=200, record=True)
    # The peers warn of every fit that does not converge, and tell of every one.
    warnings.simplefilter("ignore")
    logging.disable(logging.INFO)
    kinds = {"real": data.real(asked.data) if asked.data.is_dir() else [], "made": data.made()}
    if asked.bookings is not None:
        kinds["bookings"] = own_bookings.read(asked.bookings)
    if not kinds["real"]:
        console.print(f"No data in {asked.data}: real series are not measured.")
    measured = {kind: sets for kind, sets in kinds.items() if sets}
    bars: dict[str, pd.Series] = {}
    if asked.only != "anomalies":
        for kind, sets in measured.items():
            bars |= _forecasts(console, kind, sets, asked)
    found = None
    if asked.only != "forecasts":
        for kind, sets in measured.items():
            console.print(f"Anomalies in {kind} series ...", style="dim")
            table, notes = anomalies.run(sets, cache=asked.cache)
            console.print(f"\nAnomalies ({kind})\n{table.to_string()}\n{notes}", highlight=False)
            found = table if found is None else found
    asked.output.mkdir(parents=True, exist_ok=True)
    (asked.output / "accuracy.txt").write_text(console.export_text())
    # The picture shows the first kind that was measured: the real series, where they are there.
    shown = {title: figures for title, figures in bars.items() if f"({next(iter(measured))})" in title}
    plots.draw(shown, found, asked.output / "accuracy.png")
    console.print(f"Written: {asked.output / 'accuracy.txt'}, {asked.output / 'accuracy.png'}")


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shared = os.environ.get("HUB_SHARED_DATA") or Path(__file__).parents[2].parent / "shared" / "data"
    parser.add_argument("--data", type=Path, default=Path(shared))
    parser.add_argument("--bookings", type=Path)
    parser.add_argument("--only", choices=("forecasts", "anomalies"))
    parser.add_argument("--origins", type=int, default=4)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--output", type=Path, default=Path("bench-results"))
    return parser.parse_args()


def _forecasts(console: Console, kind: str, sets: list[DataSet], asked: argparse.Namespace) -> dict[str, pd.Series]:
    """Print every table of forecasts; the figures to draw, by title."""
    console.print(f"Forecasts of {kind} series ...", style="dim")
    tables, notes = forecasts.run(sets, count=asked.origins, cache=asked.cache)
    bars = {}
    for name, table in tables.items():
        console.print(f"\n{name} ({kind})\n{table.round(3).to_string()}", highlight=False)
        if "all" in table:
            bars[f"MASE, {name} ({kind})"] = table["all"]
        elif "WAPE" in table:
            bars[f"Daily WAPE, mean of the series. {name} ({kind})"] = table["mean of the series"]
    console.print("\n" + "\n".join(notes), highlight=False)
    return bars


if __name__ == "__main__":
    main()
