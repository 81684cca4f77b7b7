"""A copy of the project, in which a guide's commands run as they do for its reader."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sources import embedded_server

ROOT: Final = Path(__file__).parents[2]
LONGEST_S: Final = 900  # of one block of commands, on a machine with much else to do
UNSEEN: Final = {".venv", "__pycache__", ".ruff_cache", ".pytest_cache"}


@dataclass(frozen=True)
class Project:
    """A copy of the project with a `.venv` in it, a folder in place of /tmp, and the HUB_* of its commands."""

    root: Path
    scratch: Path
    settings: dict[str, str]

    @property
    def environment(self) -> dict[str, str]:
        """The shell's: no HUB_* but `settings`; the modules are those of the copy, `hub` and psql are found."""
        programs = [self.root / ".venv" / "bin", embedded_server.BIN, os.environ["PATH"]]
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HUB_", "PYTEST_XDIST"))}
        # A role's password belongs to the server, which all tests share.
        kept["HUB_API_DATABASE_PASSWORD"] = os.environ["HUB_API_DATABASE_PASSWORD"]
        return {
            **kept,
            "PATH": os.pathsep.join(map(str, programs)),
            "PYTHONPATH": str(self.root),
            "COLUMNS": "200",
            **self.settings,
        }

    def run(self, script: str) -> str:
        """Run shell commands in the copy and return what they print. Raises AssertionError where one fails."""
        done = subprocess.run(
            ["bash", "-eu", "-o", "pipefail", "-c", script.replace("/tmp/", f"{self.scratch}/")],
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


def copied(folder: Path, settings: dict[str, str]) -> Project:
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
    (root / ".venv").symlink_to(Path(sys.prefix), target_is_directory=True)
    return Project(root, scratch, settings)
