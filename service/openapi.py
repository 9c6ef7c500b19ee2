"""The OpenAPI document: what FastAPI derives, with our errors and keys put where it cannot know them."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from service.problems import MEDIA_TYPE
from service.schemas.problem import ProblemView

DESCRIPTION = """
Submit slow work, get an id in milliseconds; poll, wait for or cancel it.
Errors are RFC 9457 problems: branch on `code`.
Times are RFC 3339 in UTC, durations seconds, ids UUIDv7.
As long as no API key exists, only loopback is served, and no key is asked for.
"""
TAGS = [
    {"name": "tasks", "description": "Submit, read, wait, cancel, retry."},
    {"name": "files", "description": "Input and output too large for a task's JSON."},
    {"name": "system", "description": "Task types, workers, health."},
]
OPEN_PATHS = frozenset({"/health/live", "/health/ready"})
# Any request may run into these before a route sees it.
EVERYWHERE = (400, 401, 403, 413, 414, 415, 422, 431, 500, 503)
EXAMPLE = {
    "type": "urn:taskrunner:problem:validation_error",
    "title": "The request is not valid",
    "status": 422,
    "detail": "/input/prompt: Field required",
    "instance": "/api/v1/tasks",
    "code": "validation_error",
    "request_id": "019aa6a0-0000-7000-8000-000000000000",
    "errors": [{"pointer": "/input/prompt", "detail": "Field required"}],
}
PROBLEM_CONTENT = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemView"}, "example": EXAMPLE}}
ANSWER_HEADERS = {
    "X-Request-ID": {"description": "The id given, or one made here.", "schema": {"type": "string"}},
}


def install(app: FastAPI) -> None:
    """Make ``app.openapi()`` answer our document, built once."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    # FastAPI documents this as the way.
    app.openapi = document  # type: ignore[method-assign]


def _document(app: FastAPI) -> dict[str, Any]:
    made = get_openapi(
        title=app.title, version=app.version, description=DESCRIPTION.strip(), routes=app.routes, tags=TAGS
    )
    components = made["components"]
    components["schemas"].update(_problem_schemas())
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    components["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "bearerFormat": "trk_<id>.<secret>"},
    }
    components["responses"] = {
        f"Problem{status}": {"description": HTTPStatus(status).phrase, "content": PROBLEM_CONTENT}
        for status in EVERYWHERE
    }
    for path, operation in _operations(made):
        operation["security"] = [] if path in OPEN_PATHS else [{"key": []}]
        _complete(operation["responses"], is_open=path in OPEN_PATHS)
    return made


def _problem_schemas() -> dict[str, Any]:
    schema = ProblemView.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs"), "ProblemView": schema}


def _operations(made: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in made["paths"].items():
        for operation in methods.values():
            yield path, operation


def _complete(responses: dict[str, Any], *, is_open: bool) -> None:
    """Our media type for the route's own problems, and a reference for those of every route."""
    for status, response in responses.items():
        is_problem = "ProblemView" in str(response.get("content"))
        if int(status) >= 400 and is_problem:
            response["content"] = PROBLEM_CONTENT
        response.setdefault("headers", {}).update(ANSWER_HEADERS)
    responses.pop("422", None)
    for number in EVERYWHERE:
        if not (is_open and number in {401, 403}):
            responses.setdefault(str(number), {"$ref": f"#/components/responses/Problem{number}"})
