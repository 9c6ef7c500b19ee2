"""The Python client: ``Client`` for code that blocks, ``AsyncClient`` for code that awaits.

    with Client() as runner:
        task = runner.submit("simple_calculation", {"a": 1, "b": 2, "operation": "add"})
        print(runner.wait(task.id, check=True).result)

Needs httpx and pydantic, and nothing of the server. The two clients load on first use, so naming an
error or a model does not load httpx.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from service.client.errors import (
    ClientError,
    ConflictError,
    FieldError,
    Forbidden,
    NotFound,
    ProblemError,
    RateLimited,
    ServiceUnavailable,
    TaskFailed,
    Unauthorized,
    UnexpectedAnswer,
    Unreachable,
    ValidationFailed,
    WaitTimedOut,
)
from service.client.models import Attempt, FileInfo, Health, Progress, Task, TaskError, TaskRef, TaskType, Worker

if TYPE_CHECKING:
    from service.client.awaited import AsyncClient
    from service.client.blocking import Client

__all__ = [
    "AsyncClient",
    "Attempt",
    "Client",
    "ClientError",
    "ConflictError",
    "FieldError",
    "FileInfo",
    "Forbidden",
    "Health",
    "NotFound",
    "ProblemError",
    "Progress",
    "RateLimited",
    "ServiceUnavailable",
    "Task",
    "TaskError",
    "TaskFailed",
    "TaskRef",
    "TaskType",
    "Unauthorized",
    "UnexpectedAnswer",
    "Unreachable",
    "ValidationFailed",
    "WaitTimedOut",
    "Worker",
]

_LAZY = {"Client": "service.client.blocking", "AsyncClient": "service.client.awaited"}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
