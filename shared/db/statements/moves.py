"""The moves a person or the clock makes: cancel, retry, expiry. Each is one guarded statement."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.rows import TASK_COLUMNS, error_json, task_of
from shared.domain.errors import Conflict
from shared.domain.task import Task
from shared.domain.verdict import TaskError

UNIQUE_INDEX = "tasks_unique"
# What the moves write. ``bulk`` makes them for many rows at once.
CANCELLED = """status = CASE WHEN t.status = 'PROCESSING' THEN t.status ELSE 'CANCELLED' END,
        finished_at = CASE WHEN t.status = 'PROCESSING' THEN NULL ELSE now() END,
        cancel_requested = true, version = t.version + 1, updated_at = now()"""
ANEW = """status = 'PENDING', generation = t.generation + 1, attempt = 0, losses = 0, crashes = 0,
        cancel_requested = false, result = NULL, error = NULL, progress = NULL, outcome = NULL, worker_id = NULL,
        started_at = NULL, finished_at = NULL, run_at = now(), version = t.version + 1, updated_at = now(),
        expires_at = CASE WHEN t.expires_at > now() THEN t.expires_at END"""
# The row is the record of its last run; that record moves to ``attempts`` before the row starts anew.
RECORD = """INSERT INTO attempts (task_id, version, attempt, generation, worker_id, started_at, finished_at,
                              outcome, error)
        SELECT id, version, attempt, generation, worker_id, started_at, finished_at, COALESCE(outcome, 'failed'), error
        FROM before WHERE started_at IS NOT NULL"""

CANCEL = text(f"""
    UPDATE tasks t SET {CANCELLED}
    WHERE t.id = :id AND t.tenant_id = :tenant_id AND t.status IN ('PENDING', 'RETRYING', 'PROCESSING')
    RETURNING {TASK_COLUMNS}
""")

RETRY = text(f"""
    WITH before AS (
        SELECT * FROM tasks t
        WHERE t.id = :id AND t.tenant_id = :tenant_id AND t.status IN ('FAILED', 'CANCELLED')
        FOR NO KEY UPDATE
    ), record AS (
        {RECORD}
    )
    UPDATE tasks t SET {ANEW}
    FROM before WHERE t.id = before.id
    RETURNING {TASK_COLUMNS}
""")

EXPIRE = text(f"""
    WITH late AS (
        SELECT t.id FROM tasks t
        WHERE t.expires_at IS NOT NULL AND t.expires_at <= now() AND t.status IN ('PENDING', 'RETRYING')
        ORDER BY t.id LIMIT :most FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE tasks t
    SET status = 'FAILED', finished_at = now(), updated_at = now(), version = t.version + 1,
        error = CAST(:error AS jsonb)
    FROM late WHERE t.id = late.id
    RETURNING {TASK_COLUMNS}
""")

EXPIRED = TaskError("expired", "The task was not started before its expires_at.", retryable=False)


async def cancel(session: AsyncSession, tenant_id: int, task_id: UUID) -> Task | None:
    """CANCELLED at once if it waited, else a request on the running row; None: final, or not there."""
    row = (await session.execute(CANCEL, {"id": task_id, "tenant_id": tenant_id})).mappings().first()
    return None if row is None else task_of(row)


async def retry(session: AsyncSession, tenant_id: int, task_id: UUID) -> Task | None:
    """Back to PENDING in the next generation; None: not FAILED or CANCELLED, or not there.

    Raises: Conflict, where another task with its unique key waits or runs.
    """
    try:
        row = (await session.execute(RETRY, {"id": task_id, "tenant_id": tenant_id})).mappings().first()
    except IntegrityError as error:
        if UNIQUE_INDEX in str(error.orig):
            raise Conflict("A task with the same unique key waits or runs already.") from None
        raise
    return None if row is None else task_of(row)


async def expire(session: AsyncSession, *, most: int) -> list[Task]:
    """Fail waiting tasks past their ``expires_at``, at most ``most`` of them."""
    error = error_json(EXPIRED)
    rows = await session.execute(EXPIRE, {"most": most, "error": error})
    return [task_of(row) for row in rows.mappings()]
