"""What machines ask: does it live, can it work, how does it do."""

import asyncio
from typing import Any, Final, Literal

import asyncpg
from alembic.script import ScriptDirectory
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from sources import database
from sources.api import metrics
from sources.api.problems import responses

router = APIRouter(tags=["health"], responses=responses(500))

CHECK_TIMEOUT_S: Final = 2
SELECT_REVISION: Final = "select version_num from app.alembic_version"
METRICS_TYPE: Final = "text/plain; version=0.0.4"


class Health(BaseModel):
    """What a probe is told."""

    status: Literal["ok", "unavailable"]
    detail: str = ""


def newest_revision() -> str | None:
    """The revision of the schema that this program is made for."""
    return ScriptDirectory(str(database.MIGRATIONS)).get_current_head()


@router.get("/healthz", summary="Alive?")
async def healthz() -> Health:
    """The process answers."""
    return Health(status="ok")


@router.get("/readyz", summary="Ready?", responses={503: {"model": Health}})
async def readyz(request: Request, response: Response) -> Health:
    """The process can work: it is not stopping, its database answers in time, and the schema is the newest."""
    trouble = await _trouble(request.app.state)
    if trouble:
        response.status_code = 503
    return Health(status="unavailable" if trouble else "ok", detail=trouble)


async def _trouble(state: Any) -> str:
    if state.stopping.is_set():
        return "The server is stopping."
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            revision = await state.pool.fetchval(SELECT_REVISION)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError, OSError):
        return "The database does not answer, or has no connection to spare."
    if revision != state.revision:
        return f"The schema is at revision {revision}, not {state.revision}: run `hub db migrate`."
    return ""


@router.get(
    "/metrics", summary="Metrics for Prometheus", response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)  # fmt: skip
async def read_metrics(request: Request) -> Response:
    """In the text format of Prometheus: latency by route and status, the pool, errors, refusals by number."""
    state = request.app.state
    metrics.sample_pool(state.pool, state.in_flight)
    return Response(metrics.exposition(), media_type=METRICS_TYPE)
