"""Every operation of the OpenAPI document, and how it is asked with the document's own examples."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx

from service.app import build
from shared.registry import discover
from shared.settings import Settings
from tests.support.keys import Headers

DOCUMENT: dict[str, Any] = json.loads(json.dumps(build(Settings(_env_file=None), discover()).openapi()))
SHARED = {"queue", "worker_id"}
"""What a path may name that is every tenant's: its effect is the caller's own, or it takes an operator."""
UNKNOWN = {"queue": "nowhere", "key_id": "nobody"}
MOVING = {"oldest_age", "throughput", "heartbeat_age", "request_id", "last_used_at", "instance", "since", "until"}


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    does: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def scope(self) -> str | None:
        return self.does["security"][0]["key"][0] if self.does["security"] else None

    @property
    def names(self) -> set[str]:
        return set(re.findall(r"\{(\w+)\}", self.path))

    @property
    def streams(self) -> bool:
        """Whether its answer has no end of its own."""
        return any("text/event-stream" in answer.get("content", ()) for answer in self.does["responses"].values())

    def request(self, values: dict[str, str]) -> dict[str, Any]:
        """Method, URL and a valid body, as the document's own example has it."""
        asked: dict[str, Any] = {"method": self.method, "url": self.path.format_map(values)}
        for kind, content in self.does.get("requestBody", {}).get("content", {}).items():
            example = content["example"] if "example" in content else examples_of(content["schema"])[-1]
            asked |= {"files": example} if kind.startswith("multipart") else {"json": example}
        return asked


def examples_of(schema: dict[str, Any]) -> list[Any]:
    name = schema["$ref"].rpartition("/")[2]
    found: list[Any] = DOCUMENT["components"]["schemas"][name]["examples"]
    return found


OPERATIONS = [Operation(m.upper(), p, does) for p, ms in DOCUMENT["paths"].items() for m, does in ms.items()]
GUARDED = [operation for operation in OPERATIONS if operation.scope]


def nothing() -> dict[str, str]:
    """Names of what nobody has."""
    return {name: UNKNOWN.get(name, str(uuid4())) for operation in OPERATIONS for name in operation.names}


def steady(document: Any) -> Any:
    """Without what moves by itself."""
    match document:
        case dict():
            return {name: steady(value) for name, value in document.items() if name not in MOVING}
        case list():
            return [steady(value) for value in document]
        case _:
            return document


async def asked(api: httpx.AsyncClient, operation: Operation, values: dict[str, str], who: Headers) -> httpx.Response:
    return await api.request(**operation.request(values), headers=who)
