"""Additions to the OpenAPI document that FastAPI generates."""

from typing import Any

from fastapi import FastAPI

from sources.api.auth import SCHEMES
from sources.api.problems import Problem


def complete(app: FastAPI) -> None:
    """Add problem documents, and authentication by a token or an API key, to the OpenAPI document of `app`."""
    generate = app.openapi

    def generate_completed() -> dict[str, Any]:
        document = generate()
        problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        document["components"]["schemas"] |= problem.pop("$defs") | {"Problem": problem}
        document["components"]["securitySchemes"] = dict(SCHEMES)
        for operations in document["paths"].values():
            for operation in operations.values():
                if "security" in operation:
                    operation["security"] = [{scheme: []} for scheme in SCHEMES]
        return document

    app.openapi = generate_completed  # type: ignore[method-assign]
