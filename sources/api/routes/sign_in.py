"""Routes of signing in and out. They are pages, and no part of the OpenAPI document.

A link is used by the button of its page and not by its mere opening: programs open links in mails before people do.
"""

import base64
import hashlib
import hmac
import logging
import secrets
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader

from sources import sign_in
from sources.api import identity_provider, problems, sessions
from sources.operations.errors import Refusal
from sources.settings import DAGSTER_PATH, Settings

log = logging.getLogger("hub.sign_in")
router = APIRouter(include_in_schema=False)

MOST_ORGANIZATIONS: Final = 20  # of one address, each with a link of its own
_PAGES: Final = Path(__file__).parents[1] / "pages"
_TEMPLATE: Final = Environment(loader=FileSystemLoader(_PAGES), autoescape=True).get_template("front_door.html.j2")
_STYLE: Final = (_PAGES / "front_door.css").read_text()
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS: Final = {
    "content-security-policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
}


@router.get(sign_in.PATH)
async def ask(request: Request) -> Response:
    settings: Settings = request.app.state.settings
    sessions.check_host(request.headers, settings)
    next_page = own_page(request.query_params.get("next"))
    if link := request.query_params.get("link"):
        return _page(settings, links={link: ""}, next_page=next_page)
    session = await sessions.of_request(request)
    has_dagster = settings.dagster_socket and session is not None and session.opens_dagster
    return _page(
        settings,
        session=session,
        dagster=DAGSTER_PATH if has_dagster else None,
        next_page=next_page,
        has_asked="asked" in request.query_params,
    )


@router.post(sign_in.PATH)
async def start_session(request: Request) -> Response:
    settings: Settings = request.app.state.settings
    sessions.check_host(request.headers, settings)
    sessions.check_origin(request.headers, settings)
    fields = parse_qs((await request.body()).decode(errors="replace"))
    return await _sign_in(request, fields.get("link", [""])[0], own_page(fields.get("next", [""])[0]))


@router.get(identity_provider.START_PATH)
async def ask_provider(request: Request) -> Response:
    """Send the browser to the identity provider."""
    settings: Settings = request.app.state.settings
    sessions.check_host(request.headers, settings)
    if not settings.oidc_client_id:
        return RedirectResponse(sign_in.PATH, 303)
    try:
        address, started = await identity_provider.begin(settings, own_page(request.query_params.get("next")))
    except Refusal as refusal:
        return _refusal(settings, refusal)
    response = RedirectResponse(address, 303)
    # Lax: the provider sends the browser back, and this cookie has to come along.
    response.set_cookie(
        _provider_cookie(settings), started.to_cookie(), max_age=identity_provider.MINUTES * 60,
        path=identity_provider.START_PATH, secure=_is_secure(settings), httponly=True, samesite="lax",
    )  # fmt: skip
    return response


@router.get(identity_provider.CALLBACK_PATH)
async def answer_of_provider(request: Request) -> Response:
    """Sign in whom the identity provider names; a person in several organisations chooses one."""
    settings: Settings = request.app.state.settings
    sessions.check_host(request.headers, settings)
    started = identity_provider.started_of(request.cookies.get(_provider_cookie(settings), ""))
    state = request.query_params.get("state", "")
    if not settings.oidc_client_id or started is None or not hmac.compare_digest(state, started.state):
        response: Response = _page(
            settings, 403, problem="This sign-in was begun in another browser, or too long ago. Try again."
        )
    elif error := request.query_params.get("error"):
        response = _page(settings, 403, problem=f"The identity provider did not sign you in ({error}).")
    else:
        response = await _sign_in_by_provider(request, started, request.query_params.get("code", ""))
    response.delete_cookie(_provider_cookie(settings), path=identity_provider.START_PATH)
    return response


async def _sign_in_by_provider(request: Request, started: identity_provider.Started, code: str) -> Response:
    settings: Settings = request.app.state.settings
    made = [secrets.token_urlsafe(32) for _ in range(MOST_ORGANIZATIONS)]
    try:
        address = await identity_provider.verified_address(settings, started, code)
        links = await sessions.make_links(request.app.state.pool, address, made, is_verified=True)
    except Refusal as refusal:
        return _refusal(settings, refusal)
    if not links:
        return _page(settings, 403, problem="Nobody with your address is active in this Hub. Ask an admin to add you.")
    if len(links) == 1:
        return await _sign_in(request, next(iter(links)), own_page(started.next_page))
    return _page(settings, links=links, next_page=own_page(started.next_page))


async def _sign_in(request: Request, link: str, next_page: str) -> Response:
    """Start the session of a link and open `next_page`; the session that the browser has, if any, ends."""
    state = request.app.state
    secret = secrets.token_urlsafe(32)
    if not await sessions.start(state.pool, link, secret):
        return _page(state.settings, 403, problem="This link has been used already, or is too old.")
    try:
        await sessions.end(request)
    except Refusal:
        log.warning("former_session_not_ended")  # the link is spent: the person shall have its session
    response = RedirectResponse(next_page, 303)
    response.set_cookie(
        sessions.cookie_of(state.settings), secret, max_age=int(sessions.LASTS.total_seconds()),
        secure=_is_secure(state.settings), httponly=True, samesite="lax",
    )  # fmt: skip
    return response


@router.post("/sign-out")
async def end_session(request: Request) -> Response:
    settings: Settings = request.app.state.settings
    sessions.check_host(request.headers, settings)
    sessions.check_origin(request.headers, settings)
    await sessions.end(request)
    response = RedirectResponse(sign_in.PATH, 303)
    response.delete_cookie(sessions.cookie_of(settings))
    return response


def own_page(path: str | None) -> str:
    """Return `path` if it is one of the Hub, else that of the start page."""
    is_own = path is not None and path.startswith("/") and not path.startswith(("//", "/\\"))
    return path if path and is_own and path.isprintable() else "/"


def _is_secure(settings: Settings) -> bool:
    return urlsplit(settings.link_base).scheme == "https"


def _provider_cookie(settings: Settings) -> str:
    return f"hub_provider_{settings.port_api}"


def _refusal(settings: Settings, refusal: Refusal) -> Response:
    return _page(settings, problems.STATUS[refusal.kind], problem=str(refusal))


def _page(settings: Settings, status: int = 200, **values: object) -> HTMLResponse:
    page = _TEMPLATE.render(
        style=_STYLE,
        path=sign_in.PATH,
        mail_path=sign_in.MAIL_PATH,
        provider_path=identity_provider.START_PATH if settings.oidc_client_id else None,
        can_mail=bool(settings.smtp_url.get_secret_value()),
        days=sessions.LASTS.days,
        minutes=sign_in.LINK_MINUTES,
        **values,
    )
    return HTMLResponse(page, status, _HEADERS)
