"""The OpenAPI document is complete: nothing undescribed, nothing without an example, no example that is wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import BaseModel

from service.app import build
from service.schemas.answer_headers import ANSWER_HEADERS
from service.schemas.tasks import BatchRequest, TaskRequest
from shared.registry import discover
from shared.settings import Settings

ALWAYS = {"400", "405", "413", "414", "415", "422", "431", "500", "503"}
APP: FastAPI = build(Settings(_env_file=None), discover())
# As clients get it: what is no JSON fails here.
DOCUMENT: dict[str, Any] = json.loads(json.dumps(APP.openapi(), allow_nan=False))
ROUTES = {
    (m, r.path): r for r in APP.routes if isinstance(r, APIRoute) and r.include_in_schema for m in r.methods or ()
}


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    does: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def answers(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Those that are no problem."""
        return ((int(s), r) for s, r in self.does["responses"].items() if "$ref" not in r)

    def model_of(self, status: int) -> type[BaseModel]:
        route = ROUTES[self.method, self.path]
        model = route.response_model if status == (route.status_code or 200) else route.responses[status]["model"]
        assert isinstance(model, type)
        assert issubclass(model, BaseModel)
        return model


OPERATIONS = [Operation(m.upper(), p, does) for p, ms in DOCUMENT["paths"].items() for m, does in ms.items()]
each = pytest.mark.parametrize("operation", OPERATIONS, ids=str)


def test_every_route_is_in_the_document_under_a_name_of_its_own() -> None:
    assert {(o.method, o.path) for o in OPERATIONS} == set(ROUTES)
    assert len({o.does["operationId"] for o in OPERATIONS}) == len(OPERATIONS)


def test_every_reference_leads_somewhere_and_every_shared_part_is_used() -> None:
    text = json.dumps(DOCUMENT)
    references = set(re.findall(r"#/components/(\w+)/([\w-]+)", text))
    parts = {(k, n) for k in ("schemas", "responses", "headers") for n in DOCUMENT["components"][k]}
    assert references == parts
    assert "HTTPValidationError" not in text


@each
def test_every_operation_says_what_it_does(operation: Operation) -> None:
    assert {"summary", "description", "tags", "security"} <= operation.does.keys()
    assert operation.does["summary"]
    assert operation.does["description"]


@each
def test_every_parameter_is_described(operation: Operation) -> None:
    parameters = operation.does["parameters"]
    assert [p["name"] for p in parameters if not p.get("description")] == []
    assert "X-Request-ID" in {p["name"] for p in parameters}
    assert ("Range" in {p["name"] for p in parameters}) == operation.path.endswith("/content")


@each
def test_every_answer_is_described_and_every_json_answer_has_a_true_example(operation: Operation) -> None:
    assert any(200 <= status < 300 for status, _ in operation.answers)
    for status, answer in operation.answers:
        assert answer["description"] not in {"", "Successful Response"}, status
        if content := answer.get("content", {}).get("application/json"):
            model = operation.model_of(status)
            assert content["schema"]["$ref"].endswith(f"/{model.__name__}")
            model.model_validate_json(json.dumps(content["example"]), strict=True)


@each
def test_every_refusal_is_a_reference(operation: Operation) -> None:
    refusals = {status for status in operation.does["responses"] if status >= "400"}
    is_open = operation.does["security"] == []
    assert refusals >= ALWAYS | (set() if is_open else {"401", "403"})
    assert ("404" in refusals) == ("{" in operation.path)
    for status in refusals - {"503"}:
        assert operation.does["responses"][status] == {"$ref": f"#/components/responses/Problem{status}"}


@each
def test_a_body_that_can_be_sent_has_an_example(operation: Operation) -> None:
    for media_type, content in operation.does.get("requestBody", {}).get("content", {}).items():
        name = content["schema"].get("$ref", "").rpartition("/")[2]
        assert "example" in content or DOCUMENT["components"]["schemas"][name]["examples"], media_type


@pytest.mark.parametrize("model", [TaskRequest, BatchRequest])
def test_an_example_to_send_is_valid(model: type[BaseModel]) -> None:
    for example in DOCUMENT["components"]["schemas"][model.__name__]["examples"]:
        model.model_validate(example)


@each
def test_every_answer_names_its_headers(operation: Operation) -> None:
    for status, answer in operation.answers:
        assert {"X-Request-ID"} <= set(answer["headers"]) <= set(ANSWER_HEADERS), status


@pytest.mark.parametrize(
    ("method", "path", "status", "headers"),
    [
        ("post", "/api/v1/tasks", 201, {"Location", "Retry-After", "Preference-Applied", "Idempotent-Replayed"}),
        ("post", "/api/v1/tasks/batch", 201, {"Idempotent-Replayed"}),
        ("post", "/api/v1/tasks/{task_id}/cancel", 202, {"Location", "Retry-After"}),
        ("get", "/api/v1/tasks/{task_id}", 304, {"ETag", "Retry-After"}),
        ("get", "/api/v1/tasks", 200, {"Link"}),
        ("post", "/api/v1/files", 201, {"Location", "Idempotent-Replayed"}),
        (
            "get",
            "/api/v1/files/{file_id}/content",
            206,
            {"Content-Disposition", "ETag", "Accept-Ranges", "Content-Range"},
        ),
        ("get", "/health/live", 200, set()),
    ],
)
def test_headers_stand_where_they_are_sent(method: str, path: str, status: int, headers: set[str]) -> None:
    answer = DOCUMENT["paths"][path][method]["responses"][str(status)]
    limited: set[str] = set() if path == "/health/live" else {"RateLimit", "RateLimit-Policy"}
    assert set(answer["headers"]) - {"X-Request-ID"} == headers | limited


@pytest.mark.parametrize(
    ("status", "header"),
    [(401, "WWW-Authenticate"), (405, "Allow"), (409, "Retry-After"), (429, "Retry-After"), (503, "Retry-After")],
)
def test_a_problem_names_the_headers_it_brings(status: int, header: str) -> None:
    assert header in DOCUMENT["components"]["responses"][f"Problem{status}"]["headers"]
