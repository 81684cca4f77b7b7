"""One's own account: links by mail to sign in with, and the sessions that run."""

import logging
import secrets
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode
from uuid import UUID, uuid4

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool

from dashboard.access import AnyVisitor, SentForm
from dashboard.rendering import PageRoute, leads_to, page
from notifications.channels import email as mail
from notifications.channels.base import RetryLater, Undeliverable
from notifications.messages import Actions, Heading, Link, Message, Text
from sources import sign_in
from sources.api import sessions
from sources.api.routes.sign_in import own_page
from sources.operations.errors import not_found
from sources.settings import Settings

log = logging.getLogger("hub.pages")
router = APIRouter(route_class=PageRoute, include_in_schema=False, tags=["pages"])

MOST_ORGANIZATIONS: Final = 5  # of one address, each with a link of its own


@router.post(sign_in.MAIL_PATH)
async def request_link(request: Request) -> Response:
    """Send a link to a person. The answer is the same for every address, at once: it tells nobody who is known."""
    state = request.app.state
    sessions.check_host(request.headers, state.settings)
    sessions.check_origin(request.headers, state.settings)
    form = await request.form()
    address, next_page = str(form.get("email", "")).strip(), own_page(str(form.get("next", "")))
    task = BackgroundTask(_send_links, request, address, next_page)
    return RedirectResponse(f"{sign_in.PATH}?asked", 303, background=task)


async def _send_links(request: Request, address: str, next_page: str) -> None:
    settings: Settings = request.app.state.settings
    made = [secrets.token_urlsafe(32) for _ in range(MOST_ORGANIZATIONS)]
    links = await sessions.make_links(request.app.state.pool, address, made)
    if links and settings.smtp_url.get_secret_value():
        letter = mail.Letter(uuid4(), address, datetime.now(UTC))
        await run_in_threadpool(_send, settings, letter, _message(settings, links, next_page))


def _send(settings: Settings, letter: mail.Letter, message: Message) -> None:
    try:
        mail.send_letter(settings, letter, message)
    except (RetryLater, Undeliverable) as error:
        log.error("sign_in_mail_failed", extra={"error": str(error)})


def _message(settings: Settings, links: dict[str, str], next_page: str) -> Message:
    """Return the mail with a link for each organisation (link -> its name)."""
    addresses = {
        name: f"{settings.link_base}{sign_in.PATH}?{urlencode({'link': link, 'next': next_page})}"
        for link, name in links.items()
    }
    return Message(
        id=f"sign-in:{uuid4()}",
        type="sign-in",
        subject="Your link to sign in",
        blocks=(
            Heading("Sign in"),
            Text(f"The link works once, within {sign_in.LINK_MINUTES} minutes."),
            Actions(tuple(Link(f"Sign in to {name}", url) for name, url in addresses.items())),
            Text("You did not ask for it? Then somebody typed your address; ignore this mail.", muted=True),
        ),
    )


@router.get("/account")
async def read_account(visitor: AnyVisitor) -> Response:
    running = await sessions.of_same_person(visitor.context.request)
    return page(visitor, "account.html.j2", sessions=running)


@router.post("/account/sessions/{session_id}/end")
async def end_session(_: SentForm, visitor: AnyVisitor, session_id: UUID) -> Response:
    if not await sessions.end_one(visitor.context.request, session_id):
        raise not_found("session")
    return leads_to("/account", "The session has ended.")
