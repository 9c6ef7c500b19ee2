"""How a task looks from outside, in the API's answers and in webhooks alike: plain dicts, written to JSON by orjson."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from shared.domain.task import TEXT_GENERATION, Progress, Task
from shared.domain.verdict import TaskError
from shared.domain.workflow import Workflow

TASKS_PATH = "/api/v1/tasks"
WORKFLOWS_PATH = "/api/v1/workflows"


def to_json(value: Any) -> bytes:
    return orjson.dumps(value, _plain, orjson.OPT_UTC_Z)


def _plain(value: Any) -> str:
    """asyncpg's ids are of a class of their own."""
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(type(value).__name__)


def task_path(task: Task) -> str:
    return f"{TASKS_PATH}/{task.id}"


def task_view(task: Task, *, with_traceback: bool = False, waits_for: str | None = None) -> dict[str, Any]:
    """A task as the API shows it. ``waits_for`` says what is missing for a waiting one to start."""
    path = task_path(task)
    view: dict[str, Any] = {"id": task.id, "type": task.type}
    if task.type == TEXT_GENERATION:
        view["prompt"] = task.input.get("prompt")
        view["model"] = task.input.get("model")
    view |= {
        "queue": task.queue,
        "priority": task.priority,
        "status": task.status,
        "input": task.input,
        "result": task.result,
        "error": error_view(task.error, with_traceback=with_traceback),
        "progress": _progress(task.progress, task.updated_at, waits_for),
        "attempt": task.attempt,
        "max_attempts": task.max_attempts,
        "generation": task.generation,
        "timeout": task.timeout,
        "cancel_requested": task.cancel_requested,
        "created_at": task.created_at,
        "updated_at": task.updated_at,
        "run_at": task.run_at,
        "expires_at": task.expires_at,
        "started_at": task.started_at,
        "finished_at": task.finished_at,
        "duration": task.duration,
        "worker": task.worker_id,
        "tags": task.tags,
        "metadata": task.metadata,
        "links": {"self": path, "cancel": f"{path}/cancel", "retry": f"{path}/retry", "events": f"{path}/events"},
    }
    return view


def workflow_view(workflow: Workflow) -> dict[str, Any]:
    """A workflow without its nodes, as lists and webhooks show it."""
    path = f"{WORKFLOWS_PATH}/{workflow.id}"
    return {
        "id": workflow.id,
        "name": workflow.name,
        "status": workflow.status,
        "generation": workflow.generation,
        "cancel_requested": workflow.cancel_requested,
        "progress": {
            "percent": round(100 * workflow.done / workflow.total, 1),
            "total": workflow.total,
            "done": workflow.done,
            "completed": workflow.completed,
            "failed": workflow.failed,
            "cancelled": workflow.cancelled,
        },
        "created_at": workflow.created_at,
        "updated_at": workflow.updated_at,
        "finished_at": workflow.finished_at,
        "links": {
            "self": path,
            "cancel": f"{path}/cancel",
            "retry": f"{path}/retry",
            "deliveries": f"{path}/deliveries",
            "tasks": f"{TASKS_PATH}?tag=workflow:{workflow.id}",
        },
    }


def error_view(error: TaskError | None, *, with_traceback: bool) -> dict[str, Any] | None:
    if error is None:
        return None
    shown: dict[str, Any] = {"type": error.type, "message": error.message, "retryable": error.retryable}
    return {**shown, "traceback": error.traceback} if with_traceback and error.traceback else shown


def _progress(progress: Progress | None, updated_at: datetime, waits_for: str | None) -> dict[str, Any] | None:
    if waits_for is not None:
        percent = progress.percent if progress else 0.0
        return {"percent": percent, "message": waits_for, "updated_at": updated_at}
    if progress is None:
        return None
    return {"percent": progress.percent, "message": progress.message, "updated_at": progress.updated_at}
