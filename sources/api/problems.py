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
    """One thing that is wrong with the input."""

    field: str
    message: str


class Problem(BaseModel):
    """What went wrong (RFC 9457); `code` is for programs, `detail` for people."""

    type: str = Field("about:blank", examples=["about:blank"])
    title: str = Field(examples=["Conflict"])
    status: int = Field(examples=[409])
    detail: str = Field(examples=["The provider is already booked at that time."])
    code: str = Field(examples=["slot_taken"])
    errors: list[FieldError] = []


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may answer with these problems."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


# What every route may answer, beside its own.
COMMON: Final = responses(400, 401, 403, 404, 413, 422, 429, 500, 503)
WRITES: Final = responses(409, 412)
CHANGES: Final = responses(409, 412, 428)  # PATCH of what has a version


def answer(
    status: int, code: str, detail: str, errors: list[FieldError] | None = None, headers: dict[str, str] | None = None
) -> Response:
    """A problem as the response."""
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
    """What the caller is told of a refused operation."""
    errors = [FieldError(field=refusal.field, message=str(refusal))] if refusal.field else []
    headers = {
        "unauthenticated": {"WWW-Authenticate": "Bearer"},
        "unavailable": {"Retry-After": str(RETRY_AFTER_S)},
    }.get(refusal.kind)
    return answer(STATUS[refusal.kind], refusal.code, str(refusal), errors, headers)


def _as_code(phrase: str) -> str:
    return phrase.lower().replace(" ", "_")


def install(app: FastAPI) -> None:
    """Make every error of `app` a problem document; those that nobody foresaw are the middleware's."""

    @app.exception_handler(Refusal)
    async def refused(_: Request, refusal: Refusal) -> Response:
        return of_refusal(refusal)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        errors = [
            FieldError(field=".".join(str(part) for part in it["loc"]), message=str(it["msg"])) for it in error.errors()
        ]
        return answer(422, "invalid_request", "The request is not as documented; see `errors`.", errors)

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> Response:
        # Python 3.13 renamed the phrase of 413.
        code = "content_too_large" if error.status_code == 413 else _as_code(HTTPStatus(error.status_code).phrase)
        return answer(error.status_code, code, str(error.detail), headers=dict(error.headers or {}))
