"""Routes of signing in and out. They are pages, and no part of the OpenAPI document."""

import html
import secrets
from typing import Final
from urllib.parse import parse_qs, urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from sources import sign_in
from sources.api import sessions
from sources.settings import DAGSTER_PATH, Settings

router = APIRouter(include_in_schema=False)

PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Business Services Hub</title></head>
<body><main><h1>Business Services Hub</h1>{body}</main></body></html>
"""
# The link is used by the button and not by its mere opening: programs open links in mails before people do.
ASK: Final = """<form method="post" action="{path}"><input type="hidden" name="link" value="{link}">
<button autofocus>Sign in</button></form>"""
WITHOUT_LINK: Final = "<p>Sign in with a one-time link: <code>hub login EMAIL</code> prints one.</p>"
REFUSED: Final = "<p>This link has been used already, or is too old.</p>" + WITHOUT_LINK


SIGNED_IN: Final = """<p>You are signed in. {pages}</p>
<form method="post" action="/sign-out"><button>Sign out</button></form>"""


@router.get("/")
async def open_start_page(request: Request) -> Response:
    """Lead to the Dagster UI who may open it, and everyone else to the sign-in."""
    session = await sessions.of_request(request)
    has_dagster = request.app.state.settings.dagster_socket and session is not None and session.opens_dagster
    return RedirectResponse(f"{DAGSTER_PATH}/" if has_dagster else sign_in.PATH, 303)


@router.get(sign_in.PATH)
async def ask(request: Request) -> Response:
    sessions.check_host(request.headers, request.app.state.settings)
    if link := request.query_params.get("link", ""):
        body = ASK.format(path=sign_in.PATH, link=html.escape(link))
    elif session := await sessions.of_request(request):
        body = SIGNED_IN.format(pages=_pages(request.app.state.settings, session))
    else:
        body = WITHOUT_LINK
    return HTMLResponse(PAGE.format(body=body))


def _pages(settings: Settings, session: sessions.Session) -> str:
    """Return links to the pages that the session opens."""
    pages = {f"{DAGSTER_PATH}/": "Dagster"} if settings.dagster_socket and session.opens_dagster else {}
    return " ".join(f'<a href="{path}">{name}</a>' for path, name in {**pages, "/docs": "API"}.items())


@router.post(sign_in.PATH)
async def start_session(request: Request) -> Response:
    state = request.app.state
    sessions.check_host(request.headers, state.settings)
    sessions.check_origin(request.headers, state.settings)
    link = parse_qs((await request.body()).decode(errors="replace")).get("link", [""])[0]
    secret = secrets.token_urlsafe(32)
    if not await sessions.start(state.pool, link, secret):
        return HTMLResponse(PAGE.format(body=REFUSED), 403)
    response = RedirectResponse("/", 303)
    response.set_cookie(
        sessions.cookie_of(state.settings),
        secret,
        max_age=int(sessions.LASTS.total_seconds()),
        secure=urlsplit(state.settings.link_base).scheme == "https",
        httponly=True,
        samesite="lax",
    )
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
