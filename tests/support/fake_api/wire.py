"""What goes over the wire to and from the stand-in, as plain data."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Answer = tuple[int, dict[str, str], Any]


@dataclass(frozen=True)
class Received:
    """One request as it came."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Order:
    """What the next requests to a path meet instead of the usual answer."""

    method: str
    path: str
    times: int
    answer: Answer | None
    """None: the request takes effect, and the connection closes without an answer."""


def problem(status: int, code: str, detail: str = "", **more: Any) -> dict[str, Any]:
    """A problem document."""
    return {
        "type": "about:blank",
        "title": code.capitalize(),
        "status": status,
        "detail": detail or code,
        "code": code,
        **more,
    }


Route = tuple[str, str, Callable[..., Answer]]
V1 = "/api/v1"
