"""The pictures of the README, taken from a running Hub: make pictures (needs Chromium; `make up` in another shell).

Example: python tools/pictures.py --chromium /usr/bin/chromium
"""

import argparse
import base64
import json
import subprocess
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx
from websockets.sync.client import ClientConnection, connect

from sources import database, sign_in
from sources.settings import DAGSTER_PATH, get_settings

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
DRAWN_MS: Final = 5_000
PAGE_S: Final = 30.0  # for a page of the front door
GRAPH_DRAWN_S: Final = 40.0  # the graph is laid out in the page, after its data have come


def shoot(chromium: str, url: str, name: str, width: int, height: int) -> None:
    """Write docs/pictures/`name` as it looks in a window of width x height pixels."""
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            [
                chromium,
                *QUIET,
                f"--user-data-dir={profile}",
                f"--window-size={width},{height}",
                f"--virtual-time-budget={DRAWN_MS}",
                f"--screenshot={PICTURES / name}",
                url,
            ],
            check=True,
            stderr=subprocess.DEVNULL,
        )


def shoot_signed_in(chromium: str, path: str, name: str, width: int, height: int, wait_s: float) -> None:
    """Write docs/pictures/`name`, of a page behind the front door, `wait_s` seconds after it was opened.

    The browser signs in as a person does: it opens a link of the operator, and presses the button.
    """
    settings = get_settings()
    with database.connect(database.database_url(settings)) as connection:
        link = sign_in.operators_link(connection, settings, at=datetime.now(UTC))
    options = [*QUIET, "--remote-debugging-port=0", f"--window-size={width},{height}"]
    with tempfile.TemporaryDirectory() as profile:
        browser = subprocess.Popen([chromium, *options, f"--user-data-dir={profile}", "about:blank"])
        try:
            port_file = Path(profile) / "DevToolsActivePort"
            while not (port_file.exists() and port_file.read_text()):
                time.sleep(0.1)
            port = port_file.read_text().splitlines()[0]
            targets = httpx.get(f"http://127.0.0.1:{port}/json").json()
            [page] = [target["webSocketDebuggerUrl"] for target in targets if target["type"] == "page"]
            with connect(page, max_size=None) as devtools:
                _call(devtools, "Page.navigate", url=link)
                _wait_for(devtools, "document.querySelector('button[autofocus]') !== null")
                _call(devtools, "Runtime.evaluate", expression="document.querySelector('button[autofocus]').click()")
                _wait_for(devtools, f"location.pathname.startsWith('{DAGSTER_PATH}/')")
                _call(devtools, "Page.navigate", url=settings.link_base + path)
                time.sleep(wait_s)
                picture = _call(devtools, "Page.captureScreenshot")["data"]
            (PICTURES / name).write_bytes(base64.b64decode(picture))
        finally:
            browser.terminate()
            browser.wait()


def _wait_for(devtools: ClientConnection, expression: str) -> None:
    """Wait until the page's `expression` is true. Raises TimeoutError with the page's text where it stays false."""
    for _ in range(int(PAGE_S / 0.1)):
        if _value(devtools, expression) is True:
            return
        time.sleep(0.1)
    raise TimeoutError(f"{expression} is not true of the page: {_value(devtools, 'document.body.innerText')}")


def _value(devtools: ClientConnection, expression: str) -> object:
    return _call(devtools, "Runtime.evaluate", expression=expression)["result"].get("value")


def _call(devtools: ClientConnection, method: str, **parameters: object) -> dict[str, Any]:
    """Call a method of the DevTools protocol and return its result; events in between are dropped."""
    devtools.send(json.dumps({"id": 1, "method": method, "params": parameters}))
    while "id" not in (answer := json.loads(devtools.recv())):
        pass
    result: dict[str, Any] = answer["result"]
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chromium", default="chromium", help="the browser's program")
    parser.add_argument("--org", required=True, help="slug of the organisation whose digest is shown")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        digest = Path(folder) / "digest.html"
        subprocess.run(["hub", "digest", "--org", arguments.org, "--html", str(digest)], check=True)
        shoot(arguments.chromium, digest.as_uri(), "digest.png", 900, 1500)
        shoot(arguments.chromium, digest.as_uri(), "digest-phone.png", 500, 1100)
    shoot_signed_in(arguments.chromium, f"{DAGSTER_PATH}/asset-groups", "graph.png", 1500, 640, GRAPH_DRAWN_S)


if __name__ == "__main__":
    main()
