"""The pictures of the README, taken from a running Hub: make pictures (needs Chromium; `make up` in another shell).

Example: python tools/pictures.py --chromium /usr/bin/chromium
"""

import argparse
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from sources.settings import get_settings

PICTURES: Final = Path(__file__).parent.parent / "docs" / "pictures"
QUIET: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
GRAPH_DRAWN_MS: Final = 40_000  # the graph is laid out in the page, after its data have come


def shoot(chromium: str, url: str, name: str, width: int, height: int, wait_ms: int = 5_000) -> None:
    """Write docs/pictures/`name` as it looks in a window of width x height pixels."""
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            [
                chromium,
                *QUIET,
                f"--user-data-dir={profile}",
                f"--window-size={width},{height}",
                f"--virtual-time-budget={wait_ms}",
                f"--screenshot={PICTURES / name}",
                url,
            ],
            check=True,
            stderr=subprocess.DEVNULL,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chromium", default="chromium", help="the browser's program")
    parser.add_argument("--org", required=True, help="slug of the organisation whose digest is shown")
    arguments = parser.parse_args()
    ui = f"http://127.0.0.1:{get_settings().port_dagster}"
    with tempfile.TemporaryDirectory() as folder:
        digest = Path(folder) / "digest.html"
        subprocess.run(["hub", "digest", "--org", arguments.org, "--html", str(digest)], check=True)
        shoot(arguments.chromium, digest.as_uri(), "digest.png", 900, 1500)
        shoot(arguments.chromium, digest.as_uri(), "digest-phone.png", 500, 1100)
    shoot(arguments.chromium, f"{ui}/asset-groups", "graph.png", 1500, 640, GRAPH_DRAWN_MS)


if __name__ == "__main__":
    main()
