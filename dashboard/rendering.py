"""From a template to a response: pages, their errors, and the headers that keep foreign scripts out."""

import gzip
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, RedirectResponse

from dashboard import assets, formats, last_pages
from dashboard.access import SignInNeeded, Visitor, now_of, own_path, sign_in_path
from dashboard.navigation import current_place, places_for
from sources.api import logs, metrics, problems
from sources.operations.errors import Refusal
from sources.settings import Settings
from sources.tables.changes import LIVE_CHANGE_KINDS

log = logging.getLogger("hub.pages")

NOTICE_S: Final = 30  # within which the next page shows the sentence of an accepted form, once
LOST: Final = frozenset({"database_unavailable", "timeout"})  # the refusals that a last known page answers
COMPRESSED_FROM: Final = 2_000  # bytes
COMPRESSION: Final = 4
HEADERS: Final = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; font-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "cache-control": "private, no-store",
    "vary": "cookie, accept-encoding",
}

templates: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
templates.globals.update(
    place_of_notice=Markup(last_pages.PLACE), asset=assets.path_of, live_kinds=LIVE_CHANGE_KINDS, **formats.FUNCTIONS
)
templates.filters.update(formats.FILTERS)


def page(visitor: Visitor, template: str, *, status: int = 200, **values: object) -> Response:
    """Return the page of `template` for the visitor; `values` are the names that the template uses."""
    request = visitor.context.request
    notice = unquote(request.cookies.get(_notice_cookie(request.app.state.settings), ""))
    text = templates.get_template(template).render(
        visitor=visitor,
        places=places_for(visitor.role),
        place=current_place(request.url.path, visitor.role),
        path=request.url.path,
        url=own_path(request),
        notice=notice,
        **values,
    )
    response = _html(request, text, status)
    if notice:
        response.delete_cookie(_notice_cookie(request.app.state.settings))
    elif request.method == "GET" and status == 200:
        shown_at = formats.clock_time(now_of(visitor), visitor.timezone)
        request.app.state.last_pages.keep(request, text, shown_at)
    return response


def plain_page(request: Request, template: str, *, status: int = 200, **values: object) -> Response:
    """Return a page without navigation, for visitors who are not known: errors, and the choice of the operator."""
    return _html(request, templates.get_template(template).render(visitor=None, **values), status)


def leads_to(path: str, notice: str = "") -> Response:
    """Return the response to a form that was accepted: the browser opens `path`, which shows `notice` once."""
    response = _Leading(path, 303)
    response.notice = notice
    return response


class _Leading(RedirectResponse):
    """The response to an accepted form; PageRoute adds the cookie of its notice."""

    notice = ""


def _notice_cookie(settings: Settings) -> str:
    return f"hub_notice_{settings.port_api}"


def _set_notice(request: Request, response: _Leading) -> None:
    settings = request.app.state.settings
    response.set_cookie(
        _notice_cookie(settings), quote(response.notice), max_age=NOTICE_S, httponly=True, samesite="lax",
        secure=settings.link_base.startswith("https:"),
    )  # fmt: skip


def _html(request: Request, text: str, status: int) -> Response:
    body, headers = text.encode(), dict(HEADERS)
    if len(body) > COMPRESSED_FROM and "gzip" in request.headers.get("accept-encoding", ""):
        body = gzip.compress(body, COMPRESSION)
        headers["content-encoding"] = "gzip"
    return HTMLResponse(body, status, headers)


class PageRoute(APIRoute):
    """A route whose errors are pages, each with a sentence and the id of the request."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_with_pages(request: Request) -> Response:
            try:
                response = await handle(request)
                if isinstance(response, _Leading) and response.notice:
                    _set_notice(request, response)
                return response
            except SignInNeeded as needed:
                return _to_sign_in(request, needed)
            except Refusal as refusal:
                return _of_refusal(request, refusal)
            except RequestValidationError:
                return error_page(request, 404, "There is no such page. Check the address.")
            except HTTPException as error:
                return error_page(request, error.status_code, str(error.detail))
            except Exception as error:
                metrics.unhandled.inc()
                log.error("unhandled", extra=logs.describe_error(error))
                return error_page(request, 500, "Something unexpected happened. It has been logged.")

        return handle_with_pages


def _of_refusal(request: Request, refusal: Refusal) -> Response:
    """Return the last known page where the database does not answer, else the page of the error."""
    if request.method == "GET" and refusal.code in LOST and (last := request.app.state.last_pages.of(request)):
        return _html(request, last, 200)
    return error_page(request, problems.STATUS[refusal.kind], str(refusal))


def _to_sign_in(request: Request, needed: SignInNeeded) -> Response:
    path = needed.path if needed.path == "/organizations" else sign_in_path(needed.path)
    if request.headers.get("hx-request"):
        return Response(status_code=204, headers={"hx-redirect": path})
    return RedirectResponse(path, 303)


TITLES: Final = {403: "Not for you", 404: "Not found", 503: "Not available at the moment"}


def error_page(request: Request, status: int, sentence: str) -> Response:
    """Return the page of an error."""
    return plain_page(
        request, "error.html.j2", status=status, title=TITLES.get(status, "That did not work"), sentence=sentence,
        request_id=logs.request_id.get(),
    )  # fmt: skip


def install(app: FastAPI) -> None:
    """Answer browsers that ask for an unknown address with a page; programs get the problem document of the API."""
    answer_program = app.exception_handlers[HTTPException]

    async def http_error(request: Request, error: HTTPException) -> Response:
        if error.status_code == 404 and "text/html" in request.headers.get("accept", "") and request.method == "GET":
            return error_page(request, 404, "There is no such page. Check the address.")
        response: Response = await answer_program(request, error)  # type: ignore[misc]
        return response

    app.exception_handlers[HTTPException] = http_error
    app.add_exception_handler(HTTPException, http_error)  # type: ignore[arg-type]
