"""The walk of docs/api.md works as it is written: every command in it, in one shell, with real processes."""

import os
import re
import shutil
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import httpx
import pytest

from sources import embedded_server
from sources.settings import Settings
from sources.simulate import load_sample

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="the walk calls curl, which this machine has not")
def test_every_command_of_the_walk_works(settings: Settings) -> None:
    load_sample(settings, bookings=200, days=60, as_of=date(2026, 10, 31))
    script = "\n".join(re.findall(r"```bash\n(.*?)```", (ROOT / "docs" / "api.md").read_text(), re.DOTALL))
    programs = [Path(sys.executable).parent, embedded_server.BIN, os.environ["PATH"]]
    environment = {
        **os.environ, "PATH": os.pathsep.join(map(str, programs)), "HUB_HOME": str(settings.home),
        "HUB_DATABASE_URL": settings.database_url, "HUB_PORT_API": str(settings.port_api),
    }  # fmt: skip
    api = subprocess.Popen([sys.executable, "-m", "sources.api"], cwd=ROOT, env=environment)
    try:
        _wait_until_ready(settings.port_api)
        shell = ["bash", "-eu", "-o", "pipefail", "-c", script]
        walked = subprocess.run(shell, env=environment, capture_output=True, text=True, check=False)
    finally:
        api.terminate()
        api.wait(20)

    assert walked.returncode == 0, walked.stdout + walked.stderr
    assert "('completed', None)" in walked.stdout


def _wait_until_ready(port: int) -> None:
    for _ in range(100):
        try:
            if httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.2)
    raise TimeoutError("the API did not become ready")
