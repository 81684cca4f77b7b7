"""Forms: from what a browser sends to the model of an operation, and back to the page with a sentence at each field."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar, get_origin

from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData

from dashboard.access import TOKEN_FIELD, Visitor
from sources.operations.errors import Refusal
from sources.operations.transaction import Tx

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
    try:
        body = model.model_validate(values_of(form, model))
    except ValidationError as error:
        fields = {str(detail["loc"][0]) if detail["loc"] else "": _sentence(detail["msg"]) for detail in error.errors()}
        whole = fields.pop("", None) or "Correct the marked fields, and send the form again."
        return Rejected(whole, fields, shown_again(form))
    return await attempt(visitor, form, lambda tx: operation(tx, body))


async def attempt(visitor: Visitor, form: FormData, operation: Callable[[Tx], Awaitable[T]]) -> T | Rejected:
    """Run `operation`; return its result, or why it was refused."""
    try:
        return await visitor.run(operation)
    except Refusal as refusal:
        if refusal.kind in ("not_found", "unauthenticated", "unavailable"):
            raise
        fields = {refusal.field: str(refusal)} if refusal.field else {}
        return Rejected(str(refusal), fields, shown_again(form))


def values_of(form: FormData, model: type[BaseModel]) -> dict[str, Any]:
    """Return the fields of the form that `model` has. An empty field is none; a list has every value of its name."""
    values: dict[str, Any] = {}
    for name, info in model.model_fields.items():
        key = info.alias or name
        given = [value for value in form.getlist(key) if value != ""]
        if _is_list(info.annotation):
            if key in form:
                values[key] = given
        elif given:
            values[key] = given[-1]  # of a checkbox with a hidden field before it, the checkbox
    return values


def shown_again(form: FormData) -> dict[str, str]:
    """Return the text of the fields, to fill the form with again."""
    return {name: value for name, value in form.items() if isinstance(value, str) and name != TOKEN_FIELD}


def _is_list(annotation: Any) -> bool:
    options = getattr(annotation, "__args__", ()) if get_origin(annotation) is not list else ()
    return get_origin(annotation) is list or any(get_origin(option) is list for option in options)


def _sentence(message: str) -> str:
    text = message.removeprefix("Value error, ")
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")
