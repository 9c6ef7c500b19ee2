"""The OpenAPI document: what FastAPI derives, and what it cannot know: errors, headers, examples, keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from service.dependencies import SCOPE_OF
from service.problems import KNOWN, MEDIA_TYPE
from service.schemas.answer_headers import ANSWER_HEADERS, of_answer, of_problem
from service.schemas.examples import EXAMPLES
from service.schemas.headers import X_REQUEST_ID, takes
from service.schemas.problem import ProblemView
from service.schemas.responses import DESCRIPTIONS, EVERYWHERE

DESCRIPTION = """
Submit slow work, get an id in milliseconds; poll, wait for or cancel it.
Errors are RFC 9457 problems: branch on `code`.
Times are RFC 3339 in UTC, durations seconds, ids UUIDv7.
What answers GET answers HEAD, too: the same, without the body.
As long as no API key exists, only loopback is served, and no key is asked for.
The scope of the key that a route takes stands in its `security`; `admin` allows everything.
"""
TAGS = [
    {"name": "tasks", "description": "Submit, read, wait, cancel, retry."},
    {"name": "bulk", "description": "One verb over many tasks."},
    {"name": "events", "description": "Watch tasks while they run."},
    {"name": "workflows", "description": "Tasks that follow each other, and pass results on."},
    {"name": "schedules", "description": "Tasks made by the clock."},
    {"name": "webhooks", "description": "Be called when a task ends."},
    {"name": "files", "description": "Input and output too large for a task's JSON."},
    {"name": "queues", "description": "What waits; pause, resume, purge."},
    {"name": "keys", "description": "Who may ask, and for what."},
    {"name": "audit", "description": "What operators did."},
    {"name": "system", "description": "Task types, workers, health."},
]
OPEN_PATHS = frozenset({"/health/live", "/health/ready"})
PROBLEM = {"$ref": "#/components/schemas/ProblemView"}


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
    components["headers"] = ANSWER_HEADERS
    components["responses"] = {f"Problem{status}": _problem(status) for status in DESCRIPTIONS}
    scopes = _scopes(app)
    for path, method, operation in _operations(made):
        operation["security"] = [] if path in OPEN_PATHS else [{"key": [scopes[path, method]]}]
        operation.setdefault("parameters", []).extend(takes(X_REQUEST_ID)["parameters"])
        _describe_ids(operation)
        _complete(path, method, operation)
    return made


def _scopes(app: FastAPI) -> dict[tuple[str, str], str]:
    """The scope each operation takes, by path and method."""
    routes = (route for route in app.routes if isinstance(route, APIRoute))
    return {
        (route.path, method): SCOPE_OF[needed.call]
        for route in routes
        for needed in route.dependant.dependencies
        if needed.call in SCOPE_OF
        for method in route.methods or ()
    }


def _problem_schemas() -> dict[str, Any]:
    schema = ProblemView.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs"), "ProblemView": schema}


def _problem(status: int) -> dict[str, Any]:
    """The answer ``status``, with an example of its most usual code."""
    code, title = next((code, title) for code, (known, title) in KNOWN.items() if known == status)
    example: dict[str, Any] = {
        "type": f"urn:taskrunner:problem:{code}",
        "title": title,
        "status": status,
        "detail": DESCRIPTIONS[status],
        "instance": "/api/v1/tasks",
        "code": code,
        "request_id": "019aa6a0-0000-7000-8000-000000000000",
    }
    if status == 422:
        at = {"pointer": "/input/b", "detail": "Field required"}
        example |= {"detail": f"{at['pointer']}: {at['detail']}", "errors": [at]}
    return {
        "description": DESCRIPTIONS[status],
        "headers": of_problem(status),
        "content": {MEDIA_TYPE: {"schema": PROBLEM, "example": example}},
    }


def _operations(made: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in made["paths"].items():
        for method, operation in methods.items():
            yield path, method.upper(), operation


def _describe_ids(operation: dict[str, Any]) -> None:
    for parameter in operation["parameters"]:
        if parameter["in"] == "path":
            parameter.setdefault("description", f"The {parameter['name'].removesuffix('_id')}'s id.")


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    """Headers and example of each answer of its own; a reference for each problem, its own and everybody's."""
    responses, examples = operation["responses"], EXAMPLES.get((method, path), {})
    responses.pop("422", None)  # FastAPI's own shape of it
    for status, response in responses.items():
        if "ProblemView" in str(response.get("content")):
            responses[status] = _reference(status)
            continue
        response["headers"] = of_answer(method, operation, int(status))
        if int(status) in examples:
            response["content"]["application/json"]["example"] = examples[int(status)]
    for number in EVERYWHERE:
        if not (path in OPEN_PATHS and number in {401, 403, 429}):
            responses.setdefault(str(number), _reference(number))


def _reference(status: int | str) -> dict[str, Any]:
    return {"$ref": f"#/components/responses/Problem{status}"}
