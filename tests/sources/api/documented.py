"""Requests generated from the OpenAPI document, so that tests of every operation include new ones."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

import httpx

METHODS: Final = ("get", "post", "patch", "put", "delete")
Ids = Callable[[str], UUID]  # name of a parameter or field -> id


@dataclass(frozen=True)
class Operation:
    """One method of one path. `document` is the whole OpenAPI document."""

    method: str
    path: str
    description: dict[str, Any]
    document: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.method.upper()} {self.path}"

    @property
    def needs_credentials(self) -> bool:
        return bool(self.description.get("security"))

    @property
    def streams(self) -> bool:
        return "text/event-stream" in self.description["responses"].get("200", {}).get("content", {})

    @property
    def path_parameters(self) -> list[str]:
        return [item["name"] for item in self.description.get("parameters", []) if item["in"] == "path"]

    def request(self, client: httpx.Client, ids: Ids, **headers: str) -> httpx.Response:
        """Send a request with `ids`, a body that matches the schema, and the required query parameters."""
        path = self.path.format(**{name: ids(name) for name in self.path_parameters})
        query = {
            item["name"]: self._example(item["schema"], item["name"], ids)
            for item in self.description.get("parameters", [])
            if item["in"] == "query" and item.get("required")
        }
        body = self.description.get("requestBody", {}).get("content", {}).get("application/json")
        return client.request(
            self.method,
            path,
            params=query,
            json=self._example(body["schema"], "body", ids) if body else None,
            headers={"If-Match": '"0"', **headers} if self.method == "patch" else headers,
        )

    def _example(self, schema: dict[str, Any], name: str, ids: Ids) -> Any:  # noqa: PLR0911
        """Return a value that matches `schema`; ids come from `ids`, by the name of their field."""
        if "$ref" in schema:
            return self._example(self.document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], name, ids)
        for choice in ("anyOf", "oneOf", "allOf"):
            if choice in schema:
                return self._example(schema[choice][0], name, ids)
        if "properties" in schema:
            wanted = schema.get("required") or list(schema["properties"])[:1]  # an empty change is refused
            return {item: self._example(schema["properties"][item], item, ids) for item in wanted}
        if "const" in schema or "enum" in schema:
            return schema.get("const") or schema["enum"][0]
        if schema.get("format") == "uuid":
            return str(ids(name))
        if schema.get("format") == "date-time":
            return "2030-06-03T09:00:00Z" if "start" in name else "2030-06-03T11:00:00Z"
        if schema.get("format") == "date":
            return "2030-06-03"
        match schema.get("type"):
            case "array":
                return [self._example(schema["items"], name.removesuffix("s"), ids)]
            case "integer" | "number":
                return schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
            case "boolean":
                return True
            case "object":
                return {}
        return "words" if not schema.get("pattern") or len(schema["pattern"]) > 12 else "1"


def operations(document: dict[str, Any]) -> list[Operation]:
    """Return every operation of an OpenAPI document."""
    return [
        Operation(method, path, item[method], document)
        for path, item in document["paths"].items()
        for method in METHODS
        if method in item
    ]


def random_ids(_: str) -> UUID:
    """Return an id that does not exist."""
    return uuid4()
