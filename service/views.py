"""How things look from outside: plain dicts, written to JSON by orjson. ``schemas`` documents them.

The view of a task stands in ``shared.domain.views``: webhooks send it, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from shared.domain.run import StoredFile
from shared.domain.task import Attempt
from shared.domain.views import TASKS_PATH, error_view, task_path, task_view, to_json, workflow_view

__all__ = [
    "TASKS_PATH",
    "attempt_view",
    "error_view",
    "file_view",
    "json_answer",
    "task_path",
    "task_view",
    "to_json",
    "workflow_view",
]


def json_answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(to_json(value), status, headers, media_type="application/json")


def attempt_view(attempt: Attempt, *, with_traceback: bool) -> dict[str, Any]:
    finished_at = attempt.finished_at
    return {
        "attempt": attempt.attempt,
        "generation": attempt.generation,
        "worker": attempt.worker_id,
        "started_at": attempt.started_at,
        "finished_at": finished_at,
        "duration": (finished_at - attempt.started_at).total_seconds() if finished_at else None,
        "outcome": attempt.outcome,
        "error": error_view(attempt.error, with_traceback=with_traceback),
    }


def file_view(file: StoredFile) -> dict[str, Any]:
    return {
        "id": file.id,
        "name": file.name,
        "size": file.size,
        "sha256": file.sha256,
        "media_type": file.media_type,
        "created_at": file.created_at,
    }
