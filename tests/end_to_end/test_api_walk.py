"""The walk-through of docs/api.md, and then docs/settings.md: every command, in one shell, with real processes."""

import os
import re
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import httpx
import pytest

from sources import embedded_server
from sources.settings import Settings
from sources.simulate import load_sample
from tests.waiting import PATIENCE_S, wait_until

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="the walk calls curl, which this machine has not")
def test_every_command_of_the_walk_through_works(settings: Settings) -> None:
    load_sample(settings, bookings=200, days=60, as_of=date(2026, 10, 31))
    guides = "".join((ROOT / "docs" / name).read_text() for name in ("api.md", "settings.md"))
    script = "\n".join(re.findall(r"```bash\n(.*?)```", guides, re.DOTALL))
    programs = [Path(sys.executable).parent, embedded_server.BIN, os.environ["PATH"]]
    environment = {
        **os.environ, "PATH": os.pathsep.join(map(str, programs)), "HUB_HOME": str(settings.home),
        "HUB_DATABASE_URL": settings.database_url, "HUB_PORT_API": str(settings.port_api),
    }  # fmt: skip
    api = subprocess.Popen([sys.executable, "-m", "dashboard"], cwd=ROOT, env=environment)
    try:
        wait_until(lambda: _is_ready(settings.port_api))
        shell = ["bash", "-eu", "-o", "pipefail", "-c", script]
        walked = subprocess.run(shell, env=environment, capture_output=True, text=True, check=False)
    finally:
        api.terminate()
        api.wait(PATIENCE_S)

    assert walked.returncode == 0, walked.stdout + walked.stderr
    assert "('completed', None)" in walked.stdout
    assert "Calendar sync" in walked.stdout


def _is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz").is_success
    except httpx.HTTPError:
        return False
