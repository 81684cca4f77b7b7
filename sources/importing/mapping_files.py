"""Loading of a mapping file, with a sentence for the first error in it."""

from pathlib import Path
from typing import Any, Final, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sources.errors import HubError
from sources.importing.expressions import closest
from sources.importing.mapping import ImportMapping

SHIPPED: Final = Path(__file__).parent.parent / "mappings"
_FIELDS: Final = "fields are expected, each on a line of its own and indented,"
_LIST: Final = "a list such as [first, second] is expected"
# Errors of a value of the wrong type.
EXPECTED: Final = {
    **dict.fromkeys(("model_type", "model_attributes_type", "dict_type", "dict_attributes_type"), _FIELDS),
    **dict.fromkeys(("tuple_type", "list_type"), _LIST),
    "string_type": "a text is expected",
}


def find_mapping(name: str) -> Path:
    """Return the file of a mapping, by its path or by the name of a shipped mapping.

    Raises HubError that lists the shipped mappings.
    """
    path = Path(name)
    if path.is_file():
        return path
    shipped = {file.stem: file for file in sorted(SHIPPED.glob("*.yml"))}
    if name in shipped:
        return shipped[name]
    raise HubError(f"There is no mapping '{name}': give the path of a file, or one of {', '.join(shipped)}.")


def load_mapping(path: Path, organization: str | None = None) -> ImportMapping:
    """Read and check a mapping file; `organization`: the slug that it has to name.

    Raises HubError that names the first error.
    """
    try:
        # Every scalar stays text as written: NO does not become a boolean, nor 0.10 a binary float.
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise HubError(f"The mapping {path} cannot be read: {error}.") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "wrong syntax"
        raise HubError(f"The mapping {path}{where} is not YAML: {problem}.") from None
    if not isinstance(content, dict):
        raise HubError(f"{path.name} is not a mapping: it begins with fields such as name and organization.")
    try:
        mapping = ImportMapping.model_validate(content)
    except ValidationError as error:
        raise HubError(f"{path.name}: {_first_error(error)}.") from None
    if organization not in (None, mapping.organization.slug):
        raise HubError(f"The mapping is for another organisation: write slug: {organization}.")
    return mapping


def _first_error(error: ValidationError) -> str:
    # A misspelt field comes first: it is often the field that is reported missing.
    details = min(error.errors(), key=lambda details: details["type"] != "extra_forbidden")
    field = ".".join(str(part) for part in details["loc"]) or "the file"
    if details["type"] == "extra_forbidden":
        name = str(details["loc"][-1])
        return f"there is no field '{field}'{closest(name, _fields_at(details['loc'][:-1]))}"
    return f"{field}: {_advice(details)}"


def _advice(details: ErrorDetails) -> str:
    """Return the error of a field, and the value to write instead."""
    value = details["input"]
    description = _description_at(details["loc"])
    message = details["msg"].removeprefix("Value error, ")
    match details["type"]:
        case "missing":
            advice = f"the field is missing; write {description}" if description else "the field is missing"
        case "literal_error":
            advice = f"'{value}' is not valid; write one of {details['ctx']['expected'].replace(' or ', ', ')}"
        case "value_error":
            advice = message
        case _ if details["type"] in EXPECTED:
            advice = f"{EXPECTED[details['type']]} here"
        case _ if description:
            advice = f"'{value}' is not valid; write {description}"
        case _:
            advice = f"'{value}' is not valid: {message[0].lower()}{message[1:]}"
    return advice


def _fields_at(location: tuple[int | str, ...]) -> list[str]:
    """Return the field names of the mapping model at `location`."""
    return [field.alias or name for name, field in _model_at(location).model_fields.items()]


def _description_at(location: tuple[int | str, ...]) -> str | None:
    field = _model_at(location[:-1]).model_fields.get(str(location[-1])) if location else None
    return field.description if field else None


def _model_at(location: tuple[int | str, ...]) -> type[BaseModel]:
    model: type[BaseModel] = ImportMapping
    for part in location:
        if isinstance(part, str) and part in model.model_fields:
            model = _model_in(model.model_fields[part].annotation) or model
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)
