"""The application of the API: its routes, middleware and lifespan."""

import asyncio
import gc
import signal
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from types import FrameType
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi_offline import FastAPIOffline
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from sources import database
from sources.api import dagster_ui, live, metrics, openapi, problems
from sources.api.auth import make_verifier
from sources.api.invitations import SendInvitation
from sources.api.last_known import LastKnown
from sources.api.middleware import RequestMiddleware
from sources.api.rate_limits import RateLimits
from sources.api.routes import (
    absences,
    approvals,
    audit,
    bookings,
    calendar,
    catalogue,
    channels,
    extras,
    figures,
    health,
    insights,
    invoices,
    keys,
    live_changes,
    messages,
    milestones,
    notifications,
    organization,
    payments,
    people,
    price_rules,
    providers,
    reviews,
    services,
    sign_in,
    summary,
    targets,
    tasks,
    time_entries,
    webhooks,
)
from sources.operations.bookings.summary import Summary
from sources.operations.settings.channels import ChannelKinds
from sources.operations.transaction import make_pool
from sources.settings import DAGSTER_PATH, Settings, get_settings

ROUTERS: Final = (
    summary.router,  # before bookings.router, which would read `summary` as an id
    bookings.router,
    extras.router,
    milestones.router,
    tasks.router,
    approvals.router,
    audit.router,
    time_entries.router,
    messages.router,
    figures.router,
    reviews.router,
    calendar.router,
    absences.router,
    catalogue.router,
    people.router,
    services.router,
    price_rules.router,
    organization.router,
    providers.router,
    targets.router,
    channels.router,
    invoices.router,
    payments.router,
    webhooks.router,
    keys.router,
    insights.router,
    notifications.router,
    live_changes.router,
    health.router,
    sign_in.router,
)  # fmt: skip
EXPOSED_HEADERS: Final = ["ETag", "Location", "Retry-After", "X-Request-ID", "Idempotency-Replayed"]
REQUEST_HEADERS: Final = ["Idempotency-Key", "If-Match", "Last-Event-ID", "X-Request-ID"]
POOL_SAMPLED_EVERY_S: Final = 1.0
POOL_CLOSED_WITHIN_S: Final = 3.0


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open and close the resources of the application.

    `app.state.stopping` is set when the process receives a signal to stop, while requests are still served; it ends the
    streams of live changes.
    """
    state, settings = app.state, app.state.settings
    state.verify = make_verifier(settings)
    state.limits = RateLimits(settings)
    state.revision = health.newest_revision()
    state.stopping = asyncio.Event()
    state.summaries = LastKnown[Summary]()
    state.in_flight = 0

    def access_changed() -> None:
        for forget in (state.summaries.forget, *state.on_access_change):
            forget()

    state.pool = await make_pool(
        database.api_url(settings), settings.api_pool_size, settings.secret("api_entry_secret")
    )
    sampling = asyncio.create_task(_sample_pool(state))
    # Imported modules are kept until the process ends: garbage collection need not visit them each time.
    gc.collect()
    gc.freeze()
    async with (
        live.running(
            database.api_url(settings), settings.secret("api_entry_secret"), state.stopping, access_changed
        ) as state.live,
        dagster_ui.transport(settings) as state.dagster,
    ):
        with _set_at_signals(state.stopping):
            yield
    state.stopping.set()
    sampling.cancel()
    with suppress(asyncio.CancelledError):
        await sampling
    try:
        async with asyncio.timeout(POOL_CLOSED_WITHIN_S):
            await state.pool.close()
    except TimeoutError:
        state.pool.terminate()  # connections of requests that did not finish in time
    metrics.forget_worker()


async def _sample_pool(state: Any) -> None:
    while True:
        metrics.sample_pool(state.pool, state.in_flight)
        await asyncio.sleep(POOL_SAMPLED_EVERY_S)


@contextmanager
def _set_at_signals(stopping: asyncio.Event) -> Iterator[None]:
    """Set `stopping` at SIGTERM and SIGINT, before the server handles them. Only the main thread can handle signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    server_handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def stop(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(stopping.set)
        handler = server_handlers[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    for number in server_handlers:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in server_handlers.items():
            signal.signal(number, handler)


def create_app(
    settings: Settings | None = None,
    pages: Sequence[APIRouter] = (),
    channel_kinds: ChannelKinds | None = None,
    send_invitation: SendInvitation = lambda settings, invitation: False,
) -> FastAPI:
    """Return the application, by default with the settings of the process.

    `pages`: routers beside the API's. `channel_kinds`: without them no channel can be added. `send_invitation`: by
    default nothing is mailed, and the link of an invitation is shown.
    """
    settings = settings or get_settings()
    app = FastAPIOffline(
        title="Business Services Hub",
        version="0.1.0",
        lifespan=lifespan,
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.settings = settings
    app.state.channel_kinds = channel_kinds or {}
    app.state.on_access_change = []  # functions to call where somebody may have lost access
    app.state.send_invitation = send_invitation
    problems.install(app)
    for router in (*ROUTERS, *pages):
        app.include_router(router)
    if settings.dagster_socket:
        app.mount(DAGSTER_PATH, dagster_ui.pass_on)
    openapi.complete(app)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "PATCH", "PUT", "DELETE"],
            allow_headers=["Authorization", "X-API-Key", "Content-Type", *REQUEST_HEADERS],
            expose_headers=EXPOSED_HEADERS,
            max_age=600,
        )
    app.add_middleware(RequestMiddleware, production=settings.env == "production")
    if settings.trusted_proxies:
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=list(map(str, settings.trusted_proxies)))
    return app
