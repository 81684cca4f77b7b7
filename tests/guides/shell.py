"""Terminals of a reader: one shell that keeps its variables, and programs that run until they are interrupted."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.guides.project import Project
from tests.waiting import PATIENCE_S

END: Final = "the end of these commands"


class Shell:
    """A bash that runs blocks of commands one after the other, as they are typed into one terminal."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._process = subprocess.Popen(
            ["bash", "-eu", "-o", "pipefail"],
            cwd=project.root,
            env=project.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, script: str) -> str:
        """Run commands and return what they print. Raises AssertionError where one fails, which ends the shell."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{self._project.placed(script)}\necho; echo '{END}'\n")
        self._process.stdin.flush()
        printed: list[str] = []
        for line in self._process.stdout:
            if line.strip() == END:
                return "".join(printed)
            printed.append(line)
        raise AssertionError(f"{script}\nfailed:\n{''.join(printed)}")

    def close(self) -> None:
        """End the shell."""
        self._process.communicate()


@contextmanager
def running(project: Project, script: str, output: Path) -> Iterator[None]:
    """Run a command that does not end by itself in a terminal of its own, and interrupt it at the end (Ctrl-C)."""
    with output.open("w") as file:
        process = subprocess.Popen(
            ["bash", "-eu", "-c", f"exec {project.placed(script)}"],
            cwd=project.root,
            env=project.environment,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield
        assert process.poll() is None, f"{script} ended by itself:\n{output.read_text()}"
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        process.wait(PATIENCE_S)
