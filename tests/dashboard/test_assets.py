"""Styles and scripts: their names, their size, and where they come from."""

import gzip
import hashlib
import re
from pathlib import Path

import httpx

from dashboard import assets
from tests.dashboard.conftest import Pages

STATIC = Path(assets.__file__).parent / "static"


def test_an_asset_is_kept_for_ever_under_the_hash_of_its_content(pages: Pages) -> None:
    page = pages.visit("admin@north.example").get("/").text
    stranger = httpx.Client(base_url=pages.url)
    for path in set(re.findall(r'(?:src|href)="(/assets/[^"]+)"', page)):
        answer = stranger.get(path)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    assert stranger.get("/assets/hub.0000000000000000.css").status_code == 404


def test_the_library_of_charts_is_served(pages: Pages) -> None:
    answer = httpx.get(f"{pages.url}{assets.path_of('charts.js')}", timeout=60)
    assert "vegaEmbed" in answer.text


def test_own_styles_and_scripts_are_small() -> None:
    own = [file for file in STATIC.rglob("*") if file.suffix in (".css", ".js")]
    assert sum(len(gzip.compress(file.read_bytes())) for file in own) <= 60_000


def test_htmx_is_the_file_that_the_list_names() -> None:
    digest = hashlib.sha256((STATIC / "htmx.min.js").read_bytes()).hexdigest()
    assert digest in (STATIC / "README.md").read_text()
