"""Response headers, for the OpenAPI document: each declared once, and the rules that say which answers carry it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

TEXT, SECONDS = {"type": "string"}, {"type": "integer", "minimum": 1}

ANSWER_HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-ID": {"description": "The id given, or one made here.", "schema": TEXT},
    "Location": {
        "description": "The path of what was made or changed.",
        "schema": {"type": "string", "format": "uri-reference"},
    },
    "Retry-After": {"description": "Seconds after which asking again can pay.", "schema": SECONDS},
    "Preference-Applied": {"description": "`wait=N`, as it was obeyed.", "schema": TEXT, "example": "wait=10"},
    "Idempotent-Replayed": {
        "description": "`true` where this is the answer of the first request with this key.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "Existing-Task": {
        "description": "`true` where a task with the same unique key waits or runs: this is it, and none was made.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "ETag": {"description": "Changes with the content.", "schema": TEXT},
    "Link": {"description": "The next page, `rel=next`; absent on the last.", "schema": TEXT},
    "WWW-Authenticate": {"description": "The scheme wanted.", "schema": {"type": "string", "enum": ["Bearer"]}},
    "Allow": {"description": "The methods of this path.", "schema": TEXT, "example": "GET, HEAD, POST"},
    "RateLimit": {
        "description": "Where keys are limited: requests left in this window, and seconds to the next one.",
        "schema": TEXT,
        "example": '"key";r=999;t=7',
    },
    "RateLimit-Policy": {
        "description": "Where keys are limited: requests a window, and its seconds.",
        "schema": TEXT,
        "example": '"key";q=1000;w=10',
    },
    "Content-Disposition": {"description": "`attachment`, with the file's name.", "schema": TEXT},
    "Accept-Ranges": {"description": "Always `bytes`.", "schema": {"type": "string", "enum": ["bytes"]}},
    "Content-Range": {"description": "Which bytes these are.", "schema": TEXT, "example": "bytes 0-99/1234"},
}
EVERYWHERE = ["X-Request-ID", "RateLimit", "RateLimit-Policy"]
OF_PROBLEM = {
    401: ["WWW-Authenticate"],
    405: ["Allow"],
    409: ["Retry-After"],
    429: ["Retry-After"],
    503: ["Retry-After"],
}
OF_PARAMETER = {
    "Prefer": ["Preference-Applied"],
    "Idempotency-Key": ["Idempotent-Replayed"],
    "If-None-Match": ["ETag", "Retry-After"],
    "cursor": ["Link"],
    "Range": ["Content-Disposition", "ETag", "Accept-Ranges"],
}


def of_problem(status: int) -> dict[str, Any]:
    """``headers`` of the shared error answer."""
    return references([*EVERYWHERE, *OF_PROBLEM.get(status, ())])


def of_answer(method: str, operation: dict[str, Any], status: int) -> dict[str, Any]:
    """``headers`` of an operation's own answer."""
    everywhere = EVERYWHERE if operation["security"] else EVERYWHERE[:1]
    return references([*everywhere, *(_of_good(method, operation, status) if status < 400 else ())])


def references(names: list[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _of_good(method: str, operation: dict[str, Any], status: int) -> Iterator[str]:
    """By what the operation takes, and by what it answers."""
    for parameter in operation.get("parameters", ()):
        yield from OF_PARAMETER.get(parameter["name"], ())
    answer = str(operation["responses"][str(status)].get("content"))
    made = ("TaskView", "FileView", "ScheduleView", "OperationView", "WorkflowView")
    if method == "POST" and any(view in answer for view in made):
        yield "Location"
    if method == "POST" and status == 200 and "TaskView" in answer:
        yield "Existing-Task"
    if "TaskView" in answer or "OperationView" in answer:
        yield "Retry-After"
    if status == 206:
        yield "Content-Range"
