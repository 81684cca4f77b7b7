"""The application that `hub up` serves: the API and the pages."""

from typing import Final

from fastapi import FastAPI

from dashboard import assets, last_pages, rendering
from dashboard.routes import (
    account,
    bookings,
    clients,
    dashboards,
    data_health,
    explore,
    forecast,
    home,
    imports,
    insights,
    live,
    notifications,
    people,
    providers,
    receivables,
    services,
    settings,
)
from notifications import invitations
from notifications.channels import CHANNELS
from sources.api import app as api
from sources.settings import Settings

ROUTERS: Final = (
    home.router,
    live.router,
    explore.router,
    dashboards.router,
    receivables.router,
    clients.router,
    providers.router,
    services.router,
    imports.router,  # before the sections of the settings
    people.router,
    settings.router,
    forecast.router,
    data_health.router,
    account.router,
    insights.router,
    notifications.router,
    bookings.router,
    assets.router,
)


def create_app(settings: Settings | None = None) -> FastAPI:
    """Return the application, by default with the settings of the process."""
    application = api.create_app(settings, ROUTERS, CHANNELS, invitations.send)
    rendering.install(application)
    last_pages.install(application)
    return application


app = create_app()
