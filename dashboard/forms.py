"""Forms: from what a browser sends to the model of an operation, and back to the page with a sentence at each field."""

import hashlib
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import UnionType
from typing import Annotated, Any, Final, TypeVar, Union, get_args, get_origin
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData, QueryParams

from dashboard.access import TOKEN_FIELD, Visitor
from sources.api.problems import STATUS
from sources.operations import idempotency
from sources.operations.errors import Refusal
from sources.operations.idempotency import StoredResponse
from sources.operations.transaction import Tx

KEY_FIELD: Final = "key"  # the field that is the same in every sending of one form
_DONE: Final = 303
_CORRECT: Final = "Correct the marked fields, and send the form again."
_LOCAL_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?")
M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Rejected:
    """A form that was not accepted: a sentence, sentences by field, and the values to show again."""

    sentence: str
    fields: dict[str, str] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)


async def submit(
    visitor: Visitor, form: FormData, model: type[M], operation: Callable[[Tx, M], Awaitable[T]]
) -> T | Rejected:
    """Run `operation` with the form as `model`; return its result, or why it was not accepted."""
    body = read(visitor, form, model)
    if isinstance(body, Rejected):
        return body
    return await attempt(visitor, form, lambda tx: operation(tx, body))


def read(visitor: Visitor, form: FormData, model: type[M], nested: dict[str, Any] | None = None) -> M | Rejected:
    """Return the form as `model`, or what is wrong with it; `nested`: the values of fields that are lists of models."""
    try:
        return model.model_validate(values_of(form, model, visitor.timezone) | (nested or {}))
    except _WrongTimeError as error:
        return Rejected(_CORRECT, {error.field: str(error)}, shown_again(form))
    except ValidationError as error:
        fields = {str(detail["loc"][0]) if detail["loc"] else "": _sentence(detail["msg"]) for detail in error.errors()}
        whole = fields.pop("", None) or _CORRECT
        return Rejected(whole, fields, shown_again(form))


async def attempt(visitor: Visitor, form: FormData, operation: Callable[[Tx], Awaitable[T]]) -> T | Rejected:
    """Run `operation`; return its result, or why it was refused."""
    try:
        return await visitor.run(operation)
    except Refusal as refusal:
        if refusal.kind in ("not_found", "unauthenticated", "unavailable"):
            raise
        fields = {refusal.field: str(refusal)} if refusal.field else {}
        return Rejected(str(refusal), fields, shown_again(form))


def id_of(form: FormData | QueryParams, name: str) -> UUID | None:
    """Return the field `name` of a form or a query as an id; None where it is empty or no id."""
    try:
        return UUID(str(form.get(name, "")))
    except ValueError:
        return None


async def attempt_once(
    visitor: Visitor, form: FormData, operation: Callable[[Tx], Awaitable[object]]
) -> Rejected | None:
    """Run `operation`, once for every sending of the same form (a double click); return why it was refused."""

    async def respond(tx: Tx) -> StoredResponse:
        await operation(tx)
        return StoredResponse(_DONE, {}, "")

    def refuse(refusal: Refusal) -> StoredResponse:
        if refusal.kind == "not_found":
            raise refusal
        return StoredResponse(STATUS[refusal.kind], {}, json.dumps([str(refusal), refusal.field]))

    sent = json.dumps([visitor.context.request.url.path, sorted(shown_again(form).items())])
    key = f"form {form.get(KEY_FIELD, '')}"
    digest = hashlib.sha256(sent.encode()).digest()
    try:
        stored = await visitor.run(lambda tx: idempotency.respond_once(tx, key, digest, respond, refuse))
    except Refusal as refusal:
        if refusal.code != "idempotency_key_reused":
            raise
        return Rejected("This form was sent with other values before. Check what is shown, and send it again.")
    if stored.status == _DONE:
        return None
    sentence, name = json.loads(stored.text)
    return Rejected(sentence, {name: sentence} if name else {}, shown_again(form))


def values_of(form: FormData, model: type[BaseModel], timezone: str) -> dict[str, Any]:
    """Return the fields of the form that `model` has; a list has every value of its name.

    An empty field is null where the model allows that, and left out otherwise. A browser sends times without a zone:
    they are of `timezone`.
    """
    values: dict[str, Any] = {}
    for name, info in model.model_fields.items():
        key = info.alias or name
        if key not in form:
            continue
        given = [_in_zone(key, value, timezone) for value in form.getlist(key) if value != ""]
        may_be_none = type(None) in get_args(info.annotation)
        if _is_list(info.annotation):
            values[key] = given or (None if may_be_none else [])
        elif given:
            values[key] = given[-1]  # of a checkbox with a hidden field before it, the checkbox
        elif may_be_none:
            values[key] = None
    return values


class _WrongTimeError(Exception):
    """A local time that its field `field` does not have: the clocks are put forward over it."""

    def __init__(self, field: str) -> None:
        super().__init__("The clocks are put forward over this time: it does not exist on that day.")
        self.field = field


def _in_zone(name: str, value: object, timezone: str) -> object:
    if not isinstance(value, str) or not _LOCAL_TIME.fullmatch(value):
        return value
    try:
        local = datetime.fromisoformat(value).replace(tzinfo=ZoneInfo(timezone))
    except ValueError:
        return value
    if local.astimezone(UTC).astimezone(local.tzinfo) != local:
        raise _WrongTimeError(name)
    return local.isoformat()


def shown_again(form: FormData) -> dict[str, str]:
    """Return the text of the fields, to fill the form with again."""
    return {name: value for name, value in form.items() if isinstance(value, str) and name != TOKEN_FIELD}


def _is_list(annotation: Any) -> bool:
    """Return True for a list, also where the type is annotated or allows null."""
    if get_origin(annotation) is list:
        return True
    return get_origin(annotation) in (Union, UnionType, Annotated) and any(map(_is_list, get_args(annotation)))


def _sentence(message: str) -> str:
    text = message.removeprefix("Value error, ")
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")
