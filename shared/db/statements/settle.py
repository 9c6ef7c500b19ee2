"""End a run: the task's new state and the record of the attempt, in one statement guarded by id and lease."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text

from shared.db.lane import Runner
from shared.db.rows import error_json, progress_json
from shared.domain.states import Status
from shared.domain.task import Progress
from shared.domain.verdict import Verdict

# The guard is id and lease, nothing else: naming status or worker too makes the planner take
# another index (18 k against 25 k tasks/s). A row that somebody holds is waited for, and its guard looked at
# again. A cancel request turns a retry into CANCELLED here, so no 202 is ever followed by another run.
SETTLE = text("""
    WITH ended AS (
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
        FROM unnest(CAST(:ids AS uuid[]), CAST(:leases AS uuid[]), CAST(:statuses AS text[]),
                    CAST(:outcomes AS text[]), CAST(:results AS text[]), CAST(:errors AS text[]),
                    CAST(:progresses AS text[]), CAST(:delays AS double precision[]),
                    CAST(:keeps_attempts AS boolean[]), CAST(:crashes AS smallint[]))
             AS u (id, lease, status, outcome, result, error, progress, delay, keeps_attempt, crashes)
        WHERE t.id = u.id AND t.lease = u.lease
        RETURNING t.id, t.status, t.version, t.attempt, t.generation, t.queue, t.priority, t.limits,
            EXTRACT(EPOCH FROM t.run_at - now())::float8 AS delay,
            EXTRACT(EPOCH FROM now() - old.started_at)::float8 AS duration,
            t.workflow_id, u.status = 'RETRYING' AS is_recorded, old.version AS run_version, old.attempt AS run_attempt,
            old.worker_id AS run_worker, old.started_at AS run_started, u.outcome, u.error
    ), record AS (
        INSERT INTO attempts (task_id, version, attempt, generation, worker_id, started_at, finished_at, outcome, error)
        SELECT id, run_version, run_attempt, generation, run_worker, run_started, now(), outcome, error::jsonb
        FROM ended WHERE is_recorded
    )
    SELECT id, status, version, attempt, generation, queue, priority, delay, duration, limits, workflow_id FROM ended
""")


@dataclass(frozen=True, slots=True)
class Settlement:
    """One run's end, on its way to the database; ``type`` and ``wait`` (seconds) only on their way to the feed."""

    tenant_id: int
    id: UUID
    lease: UUID
    verdict: Verdict
    progress: Progress | None
    type: str = ""
    wait: float | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """A task after its run was written. ``delay``: seconds to its next run; ``duration``: seconds the run took."""

    id: UUID
    status: Status
    version: int
    attempt: int
    generation: int
    queue: str
    priority: int
    delay: float
    duration: float
    limits: str = ""
    workflow_id: UUID | None = None


async def settle(runner: Runner, settlements: Sequence[Settlement]) -> dict[UUID, Settled]:
    """Write ``settlements``; returns the tasks that were still theirs. A missing id lost its lease."""
    # In the order of their ids, as everything that locks many rows: nobody waits in a circle.
    settlements = sorted(settlements, key=lambda s: s.id)
    rows = await runner.execute(
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
    return {row["id"]: _settled(*row.values()) for row in rows.mappings()}


def _settled(task_id: UUID, status: str, *rest: Any) -> Settled:
    return Settled(task_id, Status(status), *rest)
