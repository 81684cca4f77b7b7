"""Styles and scripts of the pages: each under a name with a hash of its content, which browsers keep for ever.

The files of a folder are one asset: `static/css/*.css` is `hub.css`, `static/js/*.js` is `hub.js`. The library that
draws charts comes from vl-convert, and is made at the first request for it.
"""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import Final

import vl_convert
from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from sources.operations.errors import not_found

router = APIRouter(include_in_schema=False, tags=["pages"])

STATIC: Final = Path(__file__).parent / "static"
FOR_EVER: Final = "public, max-age=31536000, immutable"
TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
# vega-embed evaluates expressions without eval, which the content security policy forbids, where it is told `ast`.
CHARTS: Final = "charts.js"
_making: Final = Lock()


@dataclass(frozen=True, slots=True)
class Asset:
    """The content of an asset, plain and compressed."""

    content: bytes
    compressed: bytes
    media_type: str


@cache
def _contents() -> dict[str, bytes]:
    """Return the content of each asset that is a file or a folder of files."""
    joined = {
        f"hub.{kind}": b"\n".join(file.read_bytes() for file in sorted((STATIC / kind).glob(f"*.{kind}")))
        for kind in ("css", "js")
    }
    return joined | {file.name: file.read_bytes() for file in sorted(STATIC.iterdir()) if file.suffix in TYPES}


@cache
def path_of(name: str) -> str:
    """Return the address of the asset `name`, such as hub.css. Raises KeyError where there is none."""
    seed = version("vl-convert-python").encode() if name == CHARTS else _contents()[name]
    stem, _, suffix = name.rpartition(".")
    return f"/assets/{stem}.{hashlib.sha256(seed).hexdigest()[:16]}.{suffix}"


@cache
def _names() -> dict[str, str]:
    return {path_of(name).rpartition("/")[2]: name for name in (*_contents(), CHARTS)}


@cache
def _asset(name: str) -> Asset:
    if name == CHARTS:
        bundle: str = vl_convert.javascript_bundle(snippet=None)  # type: ignore[arg-type]  # the stub demands one
        content = bundle.encode()
    else:
        content = _contents()[name]
    return Asset(content, gzip.compress(content), TYPES[Path(name).suffix])


@router.get("/assets/{hashed_name}")
async def read_asset(request: Request, hashed_name: str) -> Response:
    if (name := _names().get(hashed_name)) is None:
        raise not_found("file")
    asset = await run_in_threadpool(_made_once, name)
    is_compressed = "gzip" in request.headers.get("accept-encoding", "")
    headers = {"cache-control": FOR_EVER, "vary": "accept-encoding"}
    if is_compressed:
        headers["content-encoding"] = "gzip"
    return Response(asset.compressed if is_compressed else asset.content, 200, headers, asset.media_type)


def _made_once(name: str) -> Asset:
    with _making:  # several visitors ask for the charts at once
        return _asset(name)
