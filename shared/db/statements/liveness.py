"""Who lives, who is dead, and taking back the tasks of the dead. None of it trusts a clock of a worker."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.rows import TASK_COLUMNS, error_json, task_of
from shared.domain.task import Task
from shared.domain.verdict import TaskError

MOST_LOSSES = 10
LOST_TOO_OFTEN = TaskError("lost", f"Its worker was lost {MOST_LOSSES} times.", retryable=False)

COUNTERS = text("SELECT id, beat FROM workers WHERE state <> 'dead'")

# Compare and set: a beat that came between the reading and this statement keeps the worker alive.
DECLARE_DEAD = text(
    "UPDATE workers SET state = 'dead' WHERE id = :id AND beat = :beat AND state <> 'dead' RETURNING id"
)

TAKE_BACK = """
    record AS (
        INSERT INTO attempts (task_id, version, attempt, generation, worker_id, started_at, finished_at, outcome)
        SELECT id, version, attempt, generation, worker_id, started_at, now(), CAST(:outcome AS text) FROM taken
    )
    UPDATE tasks t
    SET status = CASE WHEN t.cancel_requested THEN 'CANCELLED'
                      WHEN t.losses + :loss >= :most_losses THEN 'FAILED' ELSE 'RETRYING' END,
        finished_at = CASE WHEN t.cancel_requested OR t.losses + :loss >= :most_losses THEN now() END,
        error = CASE WHEN NOT t.cancel_requested AND t.losses + :loss >= :most_losses THEN CAST(:error AS jsonb) END,
        losses = t.losses + :loss, attempt = t.attempt - 1, run_at = now(), lease = NULL, worker_id = NULL,
        started_at = NULL, outcome = NULL, progress = NULL, version = t.version + 1, updated_at = now()
    WHERE t.id = ANY(ARRAY(SELECT id FROM taken))
"""

# Level-triggered: every running task whose worker does not live, whoever noticed and however late.
# From owners to tasks, each by its index: every process runs this every two seconds over any number of rows.
RESCUE = text(f"""
    WITH owners AS MATERIALIZED (
        SELECT DISTINCT t.worker_id FROM tasks t WHERE t.status = 'PROCESSING'
    ), gone AS MATERIALIZED (
        SELECT o.worker_id FROM owners o
        WHERE NOT EXISTS (SELECT FROM workers w WHERE w.id = o.worker_id AND w.state <> 'dead')
    ), taken AS MATERIALIZED (
        SELECT theirs.* FROM gone CROSS JOIN LATERAL (
            SELECT t.id, t.version, t.attempt, t.generation, t.worker_id, t.started_at FROM tasks t
            WHERE t.status = 'PROCESSING' AND t.worker_id = gone.worker_id
            LIMIT :most FOR NO KEY UPDATE SKIP LOCKED
        ) theirs
        LIMIT :most
    ), {TAKE_BACK}
    RETURNING {TASK_COLUMNS}
""")

OWNED = text("SELECT id, lease FROM tasks WHERE worker_id = :worker_id AND status = 'PROCESSING'")

RELEASE = text(f"""
    WITH taken AS MATERIALIZED (
        SELECT t.id, t.version, t.attempt, t.generation, t.worker_id, t.started_at
        FROM unnest(CAST(:ids AS uuid[]), CAST(:leases AS uuid[])) AS u (id, lease)
        JOIN tasks t ON t.id = u.id AND t.lease = u.lease
        ORDER BY t.id FOR NO KEY UPDATE OF t SKIP LOCKED
    ), {TAKE_BACK}
    RETURNING {TASK_COLUMNS}
""")


async def counters(session: AsyncSession) -> dict[UUID, int]:
    """The heartbeat counter of every worker that is not declared dead."""
    return {row.id: row.beat for row in await session.execute(COUNTERS)}


async def declare_dead(session: AsyncSession, worker_id: UUID, beat: int) -> bool:
    """Declare a worker dead if its counter still stands at ``beat``; False: it moved, or somebody did."""
    return (await session.execute(DECLARE_DEAD, {"id": worker_id, "beat": beat})).first() is not None


async def rescue(session: AsyncSession, *, most: int) -> list[Task]:
    """Take back up to ``most`` running tasks whose worker is dead or gone; a lost run costs no attempt."""
    return await _take_back(session, RESCUE, {"most": most, "outcome": "lost", "loss": 1})


async def release(session: AsyncSession, runs: Sequence[tuple[UUID, UUID]]) -> list[Task]:
    """Give back ``runs`` (task id, lease) that nobody runs; it is no loss."""
    parameters = {"ids": [id_ for id_, _ in runs], "leases": [lease for _, lease in runs]}
    return await _take_back(session, RELEASE, {**parameters, "outcome": "released", "loss": 0})


async def owned(session: AsyncSession, worker_id: UUID) -> list[tuple[UUID, UUID]]:
    """(task id, lease) of every task the row says this worker runs."""
    return [(row.id, row.lease) for row in await session.execute(OWNED, {"worker_id": worker_id})]


async def _take_back(session: AsyncSession, statement: TextClause, parameters: dict[str, object]) -> list[Task]:
    fixed = {"most_losses": MOST_LOSSES, "error": error_json(LOST_TOO_OFTEN)}
    rows = await session.execute(statement, {**fixed, **parameters})
    return [task_of(row) for row in rows.mappings()]
