"""End a run: the task's new state and the record of the attempt, in one statement guarded by id and lease."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
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

STATUSES = {status.value: status for status in Status}
"""A look into a dictionary costs a tenth of a call of the enum."""


class Settlement(NamedTuple):
    """One run's end, on its way to the database; what follows ``progress`` only on its way to Redis.

    ``wait`` is seconds. ``spoke``: the handler may have told of its progress or streamed output.
    """

    tenant_id: int
    id: UUID
    lease: UUID
    verdict: Verdict
    progress: Progress | None
    type: str = ""
    wait: float | None = None
    spoke: bool = True


class Settled(NamedTuple):
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
    settlements = sorted(settlements, key=lambda s: s.id.bytes)
    verdicts = [s.verdict for s in settlements]
    rows = await runner.execute(
        SETTLE,
        {
            "ids": [s.id for s in settlements],
            "leases": [s.lease for s in settlements],
            "statuses": [v.status for v in verdicts],
            "outcomes": [v.outcome for v in verdicts],
            "results": [v.result for v in verdicts],
            "errors": [v.error and error_json(v.error) for v in verdicts],
            "progresses": [s.progress and progress_json(s.progress) for s in settlements],
            "delays": [v.delay.total_seconds() for v in verdicts],
            "keeps_attempts": [v.keeps_attempt for v in verdicts],
            "crashes": [int(v.is_crash) for v in verdicts],
        },
    )
    return {row["id"]: _settled(*row.values()) for row in rows.mappings()}


def _settled(task_id: UUID, status: str, *rest: Any) -> Settled:
    return Settled(task_id, STATUSES[status], *rest)
