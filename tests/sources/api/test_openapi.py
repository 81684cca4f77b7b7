"""Generated requests by each role: every response is as the OpenAPI document describes.

A few for each operation; `make fuzz` sends thousands (HUB_FUZZ_EXAMPLES for each operation, and edge cases).
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sources.api.conftest import Api, served, token_of
from tests.sources.business import NORTH
from tests.sources.conftest import seeded_settings
from tests.sources.everything import ROWS, write_everything

EXAMPLES = int(os.environ.get("HUB_FUZZ_EXAMPLES", "0"))
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
ENDLESS = "/v1/events"  # a stream, which has its own tests


@pytest.fixture(scope="module")
def api(seeded: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An API with a row in every table, so that generated requests find existing rows."""
    with seeded_settings(seeded, tmp_path_factory.mktemp("hub")) as settings, served(settings) as running:
        write_everything(running.business.connection)
        yield running


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("who", ["client", "provider", "admin"])
def test_every_response_is_as_documented(api: Api, who: str, tmp_path: Path) -> None:
    ids = "".join(f'{name}_id = "{NORTH.id_of(name)}"\n' for name, _ in ROWS.values())
    (tmp_path / "schemathesis.toml").write_text(f"[parameters]\n{ids}")
    command = [
        str(Path(sys.executable).parent / "schemathesis"), "--config-file", "schemathesis.toml",
        "run", f"{api.url}/openapi.json", "-H", f"Authorization: Bearer {token_of(NORTH, who)}",
        "--exclude-path", ENDLESS, "--checks", ",".join(CHECKS), "--warnings", "off", "--generation-deterministic",
        "--phases", "examples,coverage,fuzzing" if EXAMPLES else "fuzzing", "--max-examples", str(EXAMPLES or 3),
    ]  # fmt: skip
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert finished.returncode == 0, finished.stdout[-5000:]
    cases = re.search(r"([\d,]+) generated", finished.stdout)
    assert cases is not None
    print(f"{who}: {cases[1]} requests")  # noqa: T201  `make fuzz` shows it
