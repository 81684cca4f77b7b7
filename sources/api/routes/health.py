"""Routes of probes: liveness, readiness and metrics."""

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
    """The result of a probe."""

    status: Literal["ok", "unavailable"]
    detail: str = ""


def newest_revision() -> str | None:
    """Return the revision of the schema that this program requires."""
    return ScriptDirectory(str(database.MIGRATIONS)).get_current_head()


@router.get("/healthz", summary="Check that the process is alive")
async def healthz() -> Health:
    """Always `ok`."""
    return Health(status="ok")


@router.get("/readyz", summary="Check that the process is ready", responses={503: {"model": Health}})
async def readyz(request: Request, response: Response) -> Health:
    """`ok` if the process is not stopping, its database answers in time, and the schema is the newest."""
    problem = await _problem(request.app.state)
    if problem:
        response.status_code = 503
    return Health(status="unavailable" if problem else "ok", detail=problem)


async def _problem(state: Any) -> str:
    if state.stopping.is_set():
        return "The server is stopping."
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            revision = await state.pool.fetchval(SELECT_REVISION)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError, OSError):
        return "The database does not answer, or all connections are in use."
    if revision != state.revision:
        return f"The schema is at revision {revision}, not {state.revision}: run `hub db migrate`."
    return ""


@router.get(
    "/metrics", summary="Read metrics for Prometheus", response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)  # fmt: skip
async def read_metrics(request: Request) -> Response:
    """In the text format of Prometheus: latency by route and status, connection pool, errors, rate-limited requests."""
    state = request.app.state
    metrics.sample_pool(state.pool, state.in_flight)
    return Response(metrics.exposition(), media_type=METRICS_TYPE)
