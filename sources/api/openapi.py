"""The OpenAPI document: what FastAPI generates, and what it cannot know."""

from typing import Any

from fastapi import FastAPI

from sources.api.auth import SCHEMES
from sources.api.problems import Problem


def complete(app: FastAPI) -> None:
    """Let the OpenAPI document of `app` describe problems, and that a token or an API key will do."""
    generate = app.openapi

    def completed() -> dict[str, Any]:
        document = generate()
        described = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        document["components"]["schemas"] |= described.pop("$defs") | {"Problem": described}
        document["components"]["securitySchemes"] = dict(SCHEMES)
        for operations in document["paths"].values():
            for operation in operations.values():
                if "security" in operation:
                    operation["security"] = [{scheme: []} for scheme in SCHEMES]
        return document

    app.openapi = completed  # type: ignore[method-assign]
