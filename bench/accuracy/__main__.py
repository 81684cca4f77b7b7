"""How well the Hub forecasts and finds anomalies beside what people use today.

    python -m bench.accuracy [--data FOLDER] [--only forecasts|anomalies] [--origins 8] [--cache FOLDER]

Needs statsforecast, lightgbm and prophet; --data is a folder of public data sets (by default $HUB_SHARED_DATA or
../shared/data), without which the made businesses alone are measured. --cache keeps what the peers said, which never
changes. Takes about an hour of one core without a cache: the peers' fits are most of it.
"""

import argparse
import os
import warnings
from pathlib import Path

from rich.console import Console

from bench.accuracy import anomalies, data, forecasts


def main() -> None:
    """Print every table, and what the bars ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shared = os.environ.get("HUB_SHARED_DATA") or Path(__file__).parents[2].parent / "shared" / "data"
    parser.add_argument("--data", type=Path, default=Path(shared))
    parser.add_argument("--only", choices=("forecasts", "anomalies"))
    parser.add_argument("--origins", type=int, default=8)
    parser.add_argument("--cache", type=Path)
    asked = parser.parse_args()
    console = Console(width=200)
    # The peers warn of every fit that does not converge.
    warnings.simplefilter("ignore")
    sets = data.real(asked.data) if asked.data.is_dir() else []
    if not sets:
        console.print(f"No data in {asked.data}: the made businesses alone are measured.")
    if asked.only != "anomalies":
        for title, measured in (("real", sets), ("made", data.made())):
            if measured:
                tables, notes = forecasts.run(measured, count=asked.origins, cache=asked.cache)
                for name, table in tables.items():
                    console.print(f"\n{name} ({title})\n{table.round(3).to_string()}", highlight=False)
                console.print("\n" + "\n".join(notes), highlight=False)
    if asked.only != "forecasts":
        table, notes = anomalies.run(sets or data.made())
        console.print(f"\nAnomalies\n{table.round(3).to_string()}", highlight=False)
        console.print(notes, highlight=False)


if __name__ == "__main__":
    main()
