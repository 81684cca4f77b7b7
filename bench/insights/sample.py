"""The planted incidents of the sample business, each run on its second day."""

from pathlib import Path

from rich.console import Console


def measure(console: Console, seeds: range, folder: Path) -> None:
    """Load the sample of each seed, run the second day of each planted incident, and print the share that was told."""
    raise NotImplementedError
