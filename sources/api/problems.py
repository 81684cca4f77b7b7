"""Errors as problem documents (RFC 9457)."""

from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from sources.operations.errors import Kind, Refusal

MEDIA_TYPE: Final = "application/problem+json"
STATUS: Final[dict[Kind, int]] = {
    "unauthenticated": 401,
    "forbidden": 403,
    "not_found": 404,
    "conflict": 409,
    "stale": 412,
    "invalid": 422,
    "unconditional": 428,
    "unavailable": 503,
}
RETRY_AFTER_S: Final = 2


class FieldError(BaseModel):
    """An error in one field of the input."""

    field: str
    message: str


class Problem(BaseModel):
    """A problem document (RFC 9457); `code` is for programs, `detail` for people."""

    type: str = Field("about:blank", examples=["about:blank"])
    title: str = Field(examples=["Conflict"])
    status: int = Field(examples=[409])
    detail: str = Field(examples=["The provider is already booked at that time."])
    code: str = Field(examples=["slot_taken"])
    errors: list[FieldError] = []


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route that may respond with problems of these statuses."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


# Problems of every route.
COMMON: Final = responses(400, 401, 403, 404, 413, 422, 429, 500, 503)
WRITES: Final = responses(409, 412)
CHANGES: Final = responses(409, 412, 428)  # PATCH of a resource that has a version


def respond(
    status: int, code: str, detail: str, errors: list[FieldError] | None = None, headers: dict[str, str] | None = None
) -> Response:
    """Return a response with a problem document."""
    problem = Problem(
        type="about:blank",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        code=code,
        errors=errors or [],
    )
    return Response(problem.model_dump_json(), status, headers, MEDIA_TYPE)


def of_refusal(refusal: Refusal) -> Response:
    """Return the response to a refused operation."""
    errors = [FieldError(field=refusal.field, message=str(refusal))] if refusal.field else []
    headers = {
        "unauthenticated": {"WWW-Authenticate": "Bearer"},
        "unavailable": {"Retry-After": str(RETRY_AFTER_S)},
    }.get(refusal.kind)
    return respond(STATUS[refusal.kind], refusal.code, str(refusal), errors, headers)


def _as_code(phrase: str) -> str:
    return phrase.lower().replace(" ", "_")


def install(app: FastAPI) -> None:
    """Convert every error of `app` into a problem document; the middleware converts unexpected errors."""

    @app.exception_handler(Refusal)
    async def refused(_: Request, refusal: Refusal) -> Response:
        return of_refusal(refusal)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        errors = [
            FieldError(field=".".join(str(part) for part in detail["loc"]), message=str(detail["msg"]))
            for detail in error.errors()
        ]
        return respond(422, "invalid_request", "The request is not valid; see `errors`.", errors)

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> Response:
        # Python 3.13 renamed the phrase of 413.
        code = "content_too_large" if error.status_code == 413 else _as_code(HTTPStatus(error.status_code).phrase)
        return respond(error.status_code, code, str(error.detail), headers=dict(error.headers or {}))
