"""A copy of the project, in which a guide's commands run as they do for its reader."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from sources import embedded_server

ROOT: Final = Path(__file__).parents[2]
LONGEST_S: Final = 900  # of one block of commands, on a machine with much else to do
UNSEEN: Final = {".venv", "__pycache__", ".ruff_cache", ".pytest_cache"}


@dataclass(frozen=True)
class Project:
    """A copy of the project with a `.venv` in it.

    scratch: the folder in place of /tmp; settings: the environment of its commands beside the shell's; ports: those
    that are used in place of those that the guide names.
    """

    root: Path
    scratch: Path
    settings: dict[str, str]
    ports: dict[int, int]

    @property
    def environment(self) -> dict[str, str]:
        """The shell's: no HUB_* but `settings`; the modules are those of the copy, `hub` and psql are found."""
        programs = [self.root / ".venv" / "bin", embedded_server.BIN, os.environ["PATH"]]
        # Neither of the Hub, nor of the test runner, nor of a make that runs the tests.
        dropped = ("HUB_", "PYTEST_XDIST", "MAKE", "MFLAGS")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
        return {
            **kept,
            "PATH": os.pathsep.join(map(str, programs)),
            "PYTHONPATH": str(self.root),
            "PYTEST_DEBUG_TEMPROOT": str(self.scratch),  # pytest closes this folder to the user of a server of ours
            "COLUMNS": "200",
            **self.settings,
        }

    def placed(self, script: str) -> str:
        """Return `script` with the test's own folder and ports, which leave those of the machine alone."""
        script = re.sub(r"\b\d{4}\b", lambda port: str(self.ports.get(int(port[0]), port[0])), script)
        return script.replace("/tmp/", f"{self.scratch}/")

    def run(self, script: str) -> str:
        """Run shell commands in the copy and return what they print. Raises AssertionError where one fails."""
        done = subprocess.run(
            ["bash", "-eu", "-o", "pipefail", "-c", self.placed(script)],
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=LONGEST_S,
            check=False,
        )
        assert done.returncode == 0, f"{script}\nfailed with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def files(self) -> dict[str, bytes]:
        """Return the content of each file by its path, without what programs keep for themselves."""
        return {
            str(path.relative_to(self.root)): path.read_bytes()
            for path in sorted(self.root.rglob("*"))
            if path.is_file() and not UNSEEN & set(path.relative_to(self.root).parts)
        }


def copied(folder: Path, settings: dict[str, str], ports: dict[int, int] | None = None) -> Project:
    """Return a copy of the project as it stands, under `folder`, that uses this one's `.venv`."""
    root, scratch = folder / "project", folder / "scratch"
    scratch.mkdir()
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, root / name)
    for name in ("requirements.lock", "pyproject.toml"):
        os.utime(root / name, (0, 0))  # older than .venv/ready: make must not install the copy into this .venv
    (root / ".venv").symlink_to(Path(sys.prefix), target_is_directory=True)
    return Project(root, scratch, settings, ports or {})


def answers(url: str) -> bool:
    """Return True if a server answers a GET with success."""
    try:
        return httpx.get(url, timeout=10).is_success
    except httpx.HTTPError:
        return False
