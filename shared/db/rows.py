"""From database rows to domain values. Nothing above ``shared/db`` ever sees a row; jsonb arrives decoded."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import orjson

from shared.db.lane import Row
from shared.domain.live import PastRun
from shared.domain.states import AttemptOutcome, Status
from shared.domain.task import Attempt, ClaimedTask, Progress, Task
from shared.domain.verdict import TaskError

TASK_COLUMNS = """t.id, t.tenant_id, t.type, t.queue, t.priority, t.status, t.version, t.attempt, t.max_attempts,
    t.generation, t.cancel_requested, t.timeout, t.worker_id, t.created_at, t.updated_at, t.run_at, t.expires_at,
    t.started_at, t.finished_at, t.input, t.result, t.error, t.progress, t.metadata, t.tags, t.request_id,
    t.traceparent, t.limits, t.status = 'PENDING' AND t.run_at > now() AS is_scheduled"""

CLAIM_COLUMNS = """t.id, t.tenant_id, t.type, t.queue, t.priority, t.input, t.lease, t.attempt, t.max_attempts,
    t.generation, t.timeout, t.created_at, t.started_at, t.request_id, t.traceparent, t.losses, t.crashes,
    t.limits, t.run_at"""


def task_of(row: Row) -> Task:
    """A row of TASK_COLUMNS."""
    return Task(
        id=row["id"],
        tenant_id=row["tenant_id"],
        type=row["type"],
        queue=row["queue"],
        priority=row["priority"],
        status=Status.SCHEDULED if row["is_scheduled"] else Status(row["status"]),
        version=row["version"],
        attempt=row["attempt"],
        max_attempts=row["max_attempts"],
        generation=row["generation"],
        cancel_requested=row["cancel_requested"],
        input=row["input"],
        result=row["result"],
        error=error_of(row["error"]),
        progress=progress_of(row["progress"]) or _complete(row["status"], row["finished_at"]),
        tags=row["tags"] or [],
        metadata=row["metadata"] or {},
        timeout=row["timeout"],
        worker_id=row["worker_id"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        run_at=row["run_at"],
        expires_at=row["expires_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        request_id=row["request_id"],
        traceparent=row["traceparent"],
        limits=row["limits"],
    )


def claimed_of(row: Row) -> ClaimedTask:
    """A row of CLAIM_COLUMNS, which are the fields of ``ClaimedTask`` in their order."""
    return ClaimedTask._make(row.values())


def attempt_of(row: Row) -> Attempt:
    return Attempt(
        attempt=row["attempt"],
        generation=row["generation"],
        worker_id=row["worker_id"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        outcome=AttemptOutcome(row["outcome"]),
        error=error_of(row["error"]),
    )


def past_run_of(row: Row) -> PastRun:
    return PastRun(
        version=row["version"],
        attempt=row["attempt"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        outcome=AttemptOutcome(row["outcome"]),
        error=error_of(row["error"]),
    )


def error_of(stored: dict[str, Any] | None) -> TaskError | None:
    return None if stored is None else TaskError(**stored)


def error_json(error: TaskError | None) -> str | None:
    return None if error is None else dumps({k: v for k, v in asdict(error).items() if v is not None})


def progress_of(stored: dict[str, Any] | None) -> Progress | None:
    if stored is None:
        return None
    at = datetime.fromisoformat(stored["updated_at"])
    return Progress(stored["percent"], stored["message"], at if at.tzinfo else at.replace(tzinfo=UTC))


def _complete(status: str, finished_at: datetime | None) -> Progress | None:
    """What is not written with each of a million rows."""
    return Progress(100.0, "", finished_at) if status == Status.COMPLETED and finished_at else None


def progress_json(progress: Progress | None) -> str | None:
    if progress is None:
        return None
    return dumps({"percent": progress.percent, "message": progress.message, "updated_at": progress.updated_at})


def dumps(value: Any) -> str:
    return orjson.dumps(value).decode()
