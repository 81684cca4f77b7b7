"""Bench of the pages: the time of each page alone, and that of 50 readers at once, beside GET /healthz in the same run.

    python -m bench.dashboard [--bookings 20000] [--seconds 30]

Uses a separate server in a temporary folder, with the sample business after one run. A reader opens a page, reads it
for READING_S on average, and opens the next.
"""

import argparse
import asyncio
import os
import random
import re
import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import Final

import httpx
import numpy as np
import psycopg
from rich.console import Console
from rich.table import Table

from bench.server import serving, temporary_hub
from dashboard.navigation import places_for
from sources import database, sign_in
from sources.settings import Settings

READERS: Final = 50
READING_S: Final = 5.0
ALONE: Final = 20  # times that each page is opened by a single reader
PAGE_P95_MS: Final = 120.0
READERS_P95_MS: Final = 300.0
SLUG: Final = "harbor-and-pine"
DAYS: Final = 730
ADMIN: Final = """
select people.email from app.profiles as people
inner join app.organizations as organizations on organizations.id = people.org_id
where organizations.slug = %s and people.role = 'admin' order by people.id limit 1
"""
DETAIL: Final = re.compile(r'href="(/(?:bookings|insights|providers|clients)/[0-9a-f-]{36})"')
HEALTH: Final = "/healthz"


def main() -> None:
    """Build, measure, print, and exit with 1 where a limit is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bookings", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=30.0)
    options = parser.parse_args()
    with temporary_hub(api_workers=2, smtp_url="") as settings:
        for command in (["sample", "--bookings", str(options.bookings), "--days", str(DAYS)], ["run"]):
            hub(settings, *command)
        with serving(settings):
            cookies = sign_in_cookies(settings)
            alone = asyncio.run(_alone(settings, cookies))
            together = asyncio.run(
                _together(settings, cookies, [path for path in alone if path != HEALTH], options.seconds)
            )
    is_fast = _print(alone, together)
    sys.exit(0 if is_fast else 1)


def hub(settings: Settings, *command: str) -> None:
    """Run a command of the Hub."""
    environment = {
        **os.environ,
        "HUB_HOME": str(settings.home),
        "HUB_DATABASE_URL": database.database_url(settings),
        "OMP_NUM_THREADS": "1",
    }
    subprocess.run([sys.executable, "-m", "cli", *command], env=environment, check=True, stdout=subprocess.DEVNULL)


def sign_in_cookies(settings: Settings) -> dict[str, str]:
    """Return the cookies of a session of an admin."""
    with psycopg.connect(database.database_url(settings)) as connection:
        row = connection.execute(ADMIN, [SLUG]).fetchone()
        assert row is not None
        link = sign_in.link_of(connection, settings, email=row[0], slug=SLUG, at=datetime.now(UTC))
    base = _base(settings)
    answer = httpx.post(
        base + sign_in.PATH, data={"link": link.rpartition("link=")[2]}, headers={"origin": base}, timeout=30
    )
    return dict(answer.cookies)


def _base(settings: Settings) -> str:
    return f"http://127.0.0.1:{settings.port_api}"


async def _alone(settings: Settings, cookies: dict[str, str]) -> dict[str, list[float]]:
    """Return the milliseconds of each page, opened by one reader: path -> measurements."""
    async with httpx.AsyncClient(base_url=_base(settings), cookies=cookies, timeout=30) as client:
        paths = dict.fromkeys([HEALTH])
        for place in places_for("admin"):
            answer = await client.get(place.path)
            if answer.is_success:
                paths |= dict.fromkeys([place.path, *DETAIL.findall(answer.text)[:1]])
        return {path: [await _open(client, path) for _ in range(ALONE + 1)][1:] for path in paths}


async def _open(client: httpx.AsyncClient, path: str) -> float:
    """Return the milliseconds from the request to the complete response. Raises HTTPStatusError."""
    began = time.perf_counter()
    (await client.get(path)).raise_for_status()
    return (time.perf_counter() - began) * 1000


async def _together(
    settings: Settings, cookies: dict[str, str], paths: list[str], seconds: float
) -> dict[str, list[float]]:
    """Return the milliseconds of pages while READERS read: those of all pages, and of GET /healthz in between."""
    ends_at = time.monotonic() + seconds
    found: dict[str, list[float]] = {"pages": [], HEALTH: []}

    async def read(client: httpx.AsyncClient, chance: random.Random) -> None:
        await asyncio.sleep(chance.uniform(0, READING_S))
        while time.monotonic() < ends_at:
            found["pages"].append(await _open(client, chance.choice(paths)))
            await asyncio.sleep(chance.uniform(0, 2 * READING_S))

    async def probe(client: httpx.AsyncClient) -> None:
        while time.monotonic() < ends_at:
            found[HEALTH].append(await _open(client, HEALTH))
            await asyncio.sleep(0.2)

    async with httpx.AsyncClient(base_url=_base(settings), cookies=cookies, timeout=30) as client:
        await asyncio.gather(probe(client), *(read(client, random.Random(seed)) for seed in range(READERS)))
    return found


def _print(alone: dict[str, list[float]], together: dict[str, list[float]]) -> bool:
    """Print the measurements; return True if no limit is exceeded."""
    table = Table("Page", "p50 ms", "p95 ms", "limit", "p50 / healthz")
    health = float(np.median(alone[HEALTH]))
    is_fast = True
    for name, times, limit, base in (
        *((path, times, PAGE_P95_MS, health) for path, times in alone.items()),
        *(
            (f"{READERS} readers: {name}", times, READERS_P95_MS, float(np.median(together[HEALTH])))
            for name, times in together.items()
        ),
    ):
        middle, high = np.percentile(times, [50, 95])
        is_fast &= bool(high <= limit)
        style = "" if high <= limit else "red"
        table.add_row(name, f"{middle:.0f}", f"{high:.0f}", f"{limit:.0f}", f"{middle / base:.1f}", style=style)
    Console().print(table)
    return is_fast


if __name__ == "__main__":
    main()
