"""End a run: the task's new state and the record of the attempt, in one statement guarded by id and lease."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.rows import TASK_COLUMNS, error_json, progress_json, task_of
from shared.domain.task import Progress, Task
from shared.domain.verdict import Verdict

# The guard is id and lease, nothing else: naming status or worker too makes the planner take
# another index (18 k against 25 k tasks/s). A cancel request turns a retry into CANCELLED here, so
# no 202 is ever followed by another run.
SETTLE = text(f"""
    WITH u AS (
        SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:leases AS uuid[]), CAST(:statuses AS text[]),
                             CAST(:outcomes AS text[]), CAST(:results AS text[]), CAST(:errors AS text[]),
                             CAST(:progresses AS text[]), CAST(:delays AS double precision[]),
                             CAST(:keeps_attempts AS boolean[]),
                             CAST(:crashes AS smallint[]))
             AS u (id, lease, status, outcome, result, error, progress, delay, keeps_attempt, crashes)
    ), before AS (
        SELECT t.id, t.version, t.attempt, t.generation, t.worker_id, t.started_at, u.outcome, u.error, u.status
        FROM u JOIN tasks t ON t.id = u.id AND t.lease = u.lease
        ORDER BY t.id FOR NO KEY UPDATE OF t
    ), record AS (
        INSERT INTO attempts (task_id, version, attempt, generation, worker_id, started_at, finished_at, outcome, error)
        SELECT id, version, attempt, generation, worker_id, started_at, now(), outcome, error::jsonb
        FROM before WHERE status = 'RETRYING'
    )
    UPDATE tasks t
    SET status = CASE WHEN u.status = 'RETRYING' AND t.cancel_requested THEN 'CANCELLED' ELSE u.status END,
        finished_at = CASE WHEN u.status = 'RETRYING' AND NOT t.cancel_requested THEN NULL ELSE now() END,
        started_at = CASE WHEN u.status = 'RETRYING' THEN NULL ELSE t.started_at END,
        worker_id = CASE WHEN u.status = 'RETRYING' THEN NULL ELSE t.worker_id END,
        outcome = CASE WHEN u.status = 'RETRYING' THEN NULL ELSE u.outcome END,
        attempt = CASE WHEN u.keeps_attempt THEN t.attempt ELSE t.attempt - 1 END,
        run_at = CASE WHEN u.status = 'RETRYING' THEN now() + make_interval(secs => u.delay) ELSE t.run_at END,
        crashes = t.crashes + u.crashes, lease = NULL, version = t.version + 1, updated_at = now(),
        result = u.result::jsonb, error = u.error::jsonb, progress = u.progress::jsonb
    FROM u, before WHERE u.id = before.id AND t.id = before.id
    RETURNING {TASK_COLUMNS}
""")


@dataclass(frozen=True, slots=True)
class Settlement:
    """One run's end, on its way to the database."""

    id: UUID
    lease: UUID
    verdict: Verdict
    progress: Progress | None


async def settle(session: AsyncSession, settlements: Sequence[Settlement]) -> dict[UUID, Task]:
    """Write ``settlements``; returns the tasks that were still theirs. A missing id lost its lease."""
    rows = await session.execute(
        SETTLE,
        {
            "ids": [s.id for s in settlements],
            "leases": [s.lease for s in settlements],
            "statuses": [s.verdict.status.value for s in settlements],
            "outcomes": [s.verdict.outcome.value for s in settlements],
            "results": [s.verdict.result for s in settlements],
            "errors": [error_json(s.verdict.error) for s in settlements],
            "progresses": [progress_json(s.progress) for s in settlements],
            "delays": [s.verdict.delay.total_seconds() for s in settlements],
            "keeps_attempts": [s.verdict.keeps_attempt for s in settlements],
            "crashes": [int(s.verdict.is_crash) for s in settlements],
        },
    )
    return {row["id"]: task_of(row) for row in rows.mappings()}
