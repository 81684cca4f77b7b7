"""Finding and reading a mapping file, and the sentence for the first thing that is wrong with it."""

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
# What stands in the place of something else.
EXPECTED: Final = {
    **dict.fromkeys(("model_type", "model_attributes_type", "dict_type", "dict_attributes_type"), _FIELDS),
    **dict.fromkeys(("tuple_type", "list_type"), _LIST),
    "string_type": "a text is expected",
}


def find_mapping(name: str) -> Path:
    """The file of a mapping, given its path or the name of one that is shipped.

    Raises HubError that lists the shipped ones.
    """
    path = Path(name)
    if path.is_file():
        return path
    shipped = {file.stem: file for file in sorted(SHIPPED.glob("*.yml"))}
    if name in shipped:
        return shipped[name]
    raise HubError(f"There is no mapping '{name}': give the path of a file, or one of {', '.join(shipped)}.")


def load_mapping(path: Path) -> ImportMapping:
    """Read and check a mapping file. Raises HubError that names the first thing that is wrong."""
    try:
        # Every scalar stays the text that was written: NO is no boolean, and 0.10 no binary float.
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
        return ImportMapping.model_validate(content)
    except ValidationError as error:
        raise HubError(f"{path.name}: {_first_fault(error)}.") from None


def _first_fault(error: ValidationError) -> str:
    # A misspelt field comes first: the field that is missing then is often the same one.
    fault = min(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden")
    where = ".".join(str(part) for part in fault["loc"]) or "the file"
    if fault["type"] == "extra_forbidden":
        name = str(fault["loc"][-1])
        return f"there is no field '{where}'{closest(name, _fields_at(fault['loc'][:-1]))}"
    return f"{where}: {_advice(fault)}"


def _advice(fault: ErrorDetails) -> str:
    """What is wrong with a field, and what to write instead."""
    given = fault["input"]
    described = _description_at(fault["loc"])
    message = fault["msg"].removeprefix("Value error, ")
    match fault["type"]:
        case "missing":
            advice = f"the field is missing; write {described}" if described else "the field is missing"
        case "literal_error":
            advice = f"'{given}' cannot be; write one of {fault['ctx']['expected'].replace(' or ', ', ')}"
        case "value_error":
            advice = message
        case _ if fault["type"] in EXPECTED:
            advice = f"{EXPECTED[fault['type']]} here"
        case _ if described:
            advice = f"'{given}' cannot be; write {described}"
        case _:
            advice = f"'{given}' cannot be: {message[0].lower()}{message[1:]}"
    return advice


def _fields_at(location: tuple[int | str, ...]) -> list[str]:
    """The field names that the mapping model has at `location`."""
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
