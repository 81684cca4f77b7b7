"""Routes of signing in and out. They are pages, and no part of the OpenAPI document.

A link is used by the button of its page and not by its mere opening: programs open links in mails before people do.
"""

import base64
import hashlib
import secrets
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader

from sources import sign_in
from sources.api import sessions
from sources.settings import DAGSTER_PATH, Settings

router = APIRouter(include_in_schema=False)

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
    sessions.check_host(request.headers, request.app.state.settings)
    if link := request.query_params.get("link"):
        return _page(link=link, next_page=own_page(request.query_params.get("next")))
    session = await sessions.of_request(request)
    has_dagster = request.app.state.settings.dagster_socket and session is not None and session.opens_dagster
    return _page(
        session=session,
        dagster=DAGSTER_PATH if has_dagster else None,
        can_mail=bool(request.app.state.settings.smtp_url.get_secret_value()),
        next_page=own_page(request.query_params.get("next")),
        has_asked="asked" in request.query_params,
    )


@router.post(sign_in.PATH)
async def start_session(request: Request) -> Response:
    state = request.app.state
    sessions.check_host(request.headers, state.settings)
    sessions.check_origin(request.headers, state.settings)
    fields = parse_qs((await request.body()).decode(errors="replace"))
    link = fields.get("link", [""])[0]
    secret = secrets.token_urlsafe(32)
    if not await sessions.start(state.pool, link, secret):
        return _page(403, is_refused=True, can_mail=bool(state.settings.smtp_url.get_secret_value()))
    await sessions.end(request)  # the one that the browser has, if any
    response = RedirectResponse(own_page(fields.get("next", [""])[0]), 303)
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


def own_page(path: str | None) -> str:
    """Return `path` if it is one of the Hub, else that of the start page."""
    is_own = path is not None and path.startswith("/") and not path.startswith(("//", "/\\"))
    return path if path and is_own and path.isprintable() else "/"


def _page(status: int = 200, **values: object) -> HTMLResponse:
    page = _TEMPLATE.render(
        style=_STYLE,
        path=sign_in.PATH,
        mail_path=sign_in.MAIL_PATH,
        days=sessions.LASTS.days,
        minutes=sign_in.LINK_MINUTES,
        **values,
    )
    return HTMLResponse(page, status, _HEADERS)
