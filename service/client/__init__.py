"""The Python client: ``Client`` for code that blocks, ``AsyncClient`` for code that awaits.

    with Client() as runner:
        task = runner.submit("simple_calculation", {"a": 1, "b": 2, "operation": "add"})
        print(runner.wait(task.id, check=True).result)

Needs httpx and pydantic, and nothing of the server. What stands on them loads on first use, so a program
that only names the errors starts without either.
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
    OperationTimedOut,
    ProblemError,
    RateLimited,
    ServiceUnavailable,
    TaskFailed,
    Unauthorized,
    UnexpectedAnswer,
    Unreachable,
    ValidationFailed,
    WaitTimedOut,
    WorkflowFailed,
    WorkflowTimedOut,
)

if TYPE_CHECKING:
    from service.client.awaited import AsyncClient
    from service.client.blocking import Client
    from service.client.events import Event
    from service.client.key_models import AuditEntry, Key
    from service.client.models import (
        Attempt,
        Delivery,
        FileInfo,
        Health,
        Operation,
        Progress,
        Schedule,
        Task,
        TaskError,
        TaskRef,
        TaskType,
        WebhookSecret,
        Worker,
    )
    from service.client.operator_models import Purge, Queue, Stats
    from service.client.workflow_models import Workflow
    from service.client.workflows import chain, group, result_of, step

__all__ = [
    "AsyncClient",
    "Attempt",
    "AuditEntry",
    "Client",
    "ClientError",
    "ConflictError",
    "Delivery",
    "Event",
    "FieldError",
    "FileInfo",
    "Forbidden",
    "Health",
    "Key",
    "NotFound",
    "Operation",
    "OperationTimedOut",
    "ProblemError",
    "Progress",
    "Purge",
    "Queue",
    "RateLimited",
    "Schedule",
    "ServiceUnavailable",
    "Stats",
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
    "WebhookSecret",
    "Worker",
    "Workflow",
    "WorkflowFailed",
    "WorkflowTimedOut",
    "chain",
    "group",
    "result_of",
    "step",
]

_MODELS = (
    "Attempt",
    "Delivery",
    "FileInfo",
    "Health",
    "Operation",
    "Progress",
    "Schedule",
    "Task",
    "TaskError",
    "TaskRef",
    "TaskType",
    "WebhookSecret",
    "Worker",
)
_LAZY = {
    "Client": "service.client.blocking",
    "AsyncClient": "service.client.awaited",
    "Event": "service.client.events",
    **dict.fromkeys(("AuditEntry", "Key"), "service.client.key_models"),
    **dict.fromkeys(("Purge", "Queue", "Stats"), "service.client.operator_models"),
    **dict.fromkeys(_MODELS, "service.client.models"),
    "Workflow": "service.client.workflow_models",
    **dict.fromkeys(("chain", "group", "result_of", "step"), "service.client.workflows"),
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
