"""The API's application: what it is made of."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

import asyncpg
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel

from sources import database
from sources.api import problems
from sources.api.auth import make_verifier
from sources.api.routes import approvals, bookings, messages, milestones, reviews, tasks, time_entries
from sources.operations.transaction import make_pool
from sources.settings import Settings, get_settings

MAX_BODY_BYTES = 1_000_000
ROUTERS = (
    bookings.router,
    milestones.router,
    tasks.router,
    approvals.router,
    time_entries.router,
    messages.router,
    reviews.router,
)  # fmt: skip


class Health(BaseModel):
    """What a probe is told."""

    status: Literal["ok", "unavailable"]
    detail: str = ""


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """One pool of connections as long as the application lives."""
    settings = app.state.settings = app.state.settings or get_settings()
    app.state.verify = make_verifier(settings)
    app.state.pool = await make_pool(database.api_url(settings), settings.api_pool_size)
    yield
    await app.state.pool.close()


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application; with the settings of the process, read at start, where none are given."""
    app = FastAPI(title="Business Services Hub", version="0.1.0", lifespan=lifespan, max_body_size=MAX_BODY_BYTES)
    app.state.settings = settings
    problems.install(app)
    for router in ROUTERS:
        app.include_router(router)
    app.get("/healthz", tags=["health"])(healthz)
    app.get("/readyz", tags=["health"], responses={503: {"model": Health}})(readyz)
    return app


def healthz() -> Health:
    """The process answers."""
    return Health(status="ok")


async def readyz(request: Request, response: Response) -> Health:
    """The process can work: its database answers."""
    try:
        await request.app.state.pool.fetchval("select 1", timeout=2)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError, OSError):
        response.status_code = 503
        return Health(status="unavailable", detail="The database does not answer.")
    return Health(status="ok")


app = create_app()
