"""Accuracy of the Hub's forecasts and anomalies, compared with that of other methods (peers).

    python -m bench.accuracy [--data FOLDER] [--bookings FILE] [--only forecasts|anomalies] [--origins 4]
        [--cache FOLDER] [--output FOLDER]

Needs the packages of requirements.lock beside this file. --data is a folder of public data sets (by default
$HUB_SHARED_DATA or ../shared/data), without which only synthetic businesses are measured; --bookings is a CSV of
bookings (business, country, service_day, booked_on, cancelled_on, revenue, service): those of the sample business, or
your own. --origins is the number of past days from which each series is forecast. --cache keeps the results of the
peers, which never change: their fits take most of the time, an hour or more of one core. Tables are printed, and
written to --output with a plot.
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
    arguments = _arguments()
    console = Console(width=200, record=True)
    # The peers warn of every fit that does not converge, and log every fit.
    warnings.simplefilter("ignore")
    logging.disable(logging.INFO)
    kinds = {"real": data.real(arguments.data) if arguments.data.is_dir() else [], "synthetic": data.synthetic()}
    if arguments.bookings is not None:
        kinds["bookings"] = own_bookings.read(arguments.bookings)
    if not kinds["real"]:
        console.print(f"No data in {arguments.data}: real series are not measured.")
    measured = {kind: sets for kind, sets in kinds.items() if sets}
    bars: dict[str, pd.Series] = {}
    if arguments.only != "anomalies":
        for kind, sets in measured.items():
            bars |= _forecasts(console, kind, sets, arguments)
    first_table = None
    if arguments.only != "forecasts":
        for kind, sets in measured.items():
            console.print(f"Anomalies in {kind} series ...", style="dim")
            table, notes = anomalies.run(sets, cache=arguments.cache)
            console.print(f"\nAnomalies ({kind})\n{table.to_string()}\n{notes}", highlight=False)
            first_table = table if first_table is None else first_table
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "accuracy.txt").write_text(console.export_text())
    # The plot shows the first kind that was measured: the real series, if their data are available.
    shown = {title: figures for title, figures in bars.items() if f"({next(iter(measured))})" in title}
    plots.draw(shown, first_table, arguments.output / "accuracy.png")
    console.print(f"Written: {arguments.output / 'accuracy.txt'}, {arguments.output / 'accuracy.png'}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shared = os.environ.get("HUB_SHARED_DATA") or Path(__file__).parents[2].parent / "shared" / "data"
    parser.add_argument("--data", type=Path, default=Path(shared))
    parser.add_argument("--bookings", type=Path)
    parser.add_argument("--only", choices=("forecasts", "anomalies"))
    parser.add_argument("--origins", type=int, default=4)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--output", type=Path, default=Path("bench-results"))
    return parser.parse_args()


def _forecasts(console: Console, kind: str, sets: list[DataSet], arguments: argparse.Namespace) -> dict[str, pd.Series]:
    """Print every table of forecasts; return the figures to draw, by title."""
    console.print(f"Forecasts of {kind} series ...", style="dim")
    tables, notes = forecasts.run(sets, count=arguments.origins, cache=arguments.cache)
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
