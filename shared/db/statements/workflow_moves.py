"""What people and retention do to workflows: cancel, retry, prune; and which tasks are to be hinted after an end.

Whoever ends a task locks it before the workflow; so nothing here waits for a task while it holds the workflow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.lane import Runner
from shared.db.rows import TASK_COLUMNS, task_of
from shared.db.statements.moves import CANCELLED
from shared.db.statements.workflows import release
from shared.domain.ids import first_id_at
from shared.domain.task import Task

# From here on nothing of it is released any more. What runs or waits as a task is asked by the next statement.
CANCEL = text("""
    WITH flow AS (
        SELECT w.id FROM workflows w
        WHERE w.id = :id AND w.tenant_id = :tenant_id AND w.finished_at IS NULL FOR NO KEY UPDATE
    ), lost AS (
        UPDATE workflow_nodes n SET state = 'CANCELLED'
        FROM flow WHERE n.workflow_id = flow.id AND n.tenant_id = :tenant_id AND n.state = 'WAITING'
        RETURNING n.name
    )
    UPDATE workflows w
    SET cancel_requested = true, cancelled = w.cancelled + (SELECT count(*) FROM lost), updated_at = now()
    FROM flow WHERE w.id = flow.id
    RETURNING w.id
""")

CANCEL_TASKS = text(f"""
    WITH live AS (
        SELECT t.id FROM workflow_nodes n JOIN tasks t ON t.id = n.task_id AND t.tenant_id = n.tenant_id
        WHERE n.workflow_id = :id AND n.tenant_id = :tenant_id AND n.state = 'RELEASED' AND NOT t.cancel_requested
              AND t.status IN ('PENDING', 'RETRYING', 'PROCESSING')
        ORDER BY t.id LIMIT :most FOR NO KEY UPDATE OF t
    )
    UPDATE tasks t SET {CANCELLED}
    FROM live WHERE t.id = live.id AND t.tenant_id = :tenant_id
    RETURNING {TASK_COLUMNS}
""")

# Level-triggered: whoever cancelled may have died between the two statements.
HALF_CANCELLED = text("""
    SELECT w.id, w.tenant_id FROM workflows w
    WHERE w.cancel_requested AND w.finished_at IS NULL AND EXISTS (
        SELECT FROM workflow_nodes n JOIN tasks t ON t.id = n.task_id AND t.tenant_id = n.tenant_id
        WHERE n.workflow_id = w.id AND n.state = 'RELEASED' AND NOT t.cancel_requested
              AND t.status IN ('PENDING', 'RETRYING', 'PROCESSING')
    )
    ORDER BY w.id LIMIT :most
""")

REOPEN = text("""
    UPDATE workflows w
    SET failed = 0, cancelled = 0, generation = w.generation + 1, cancel_requested = false, finished_at = NULL,
        updated_at = now()
    WHERE w.id = :id AND w.tenant_id = :tenant_id AND w.finished_at IS NOT NULL AND w.failed + w.cancelled > 0
    RETURNING w.id
""")

# The part that did not complete, to be done by new tasks; those of before stay as they ended.
RESET = text("""
    UPDATE workflow_nodes n
    SET state = 'WAITING', task_id = NULL,
        pending = (SELECT count(*) FROM workflow_nodes b
                   WHERE b.workflow_id = :id AND b.name = ANY(n.after) AND b.state IN ('FAILED', 'CANCELLED'))
    WHERE n.workflow_id = :id AND n.tenant_id = :tenant_id AND n.state IN ('FAILED', 'CANCELLED')
    RETURNING n.name, n.pending
""")

FRESH = """t.id, t.tenant_id, t.type, t.queue, t.priority, t.limits,
    GREATEST(0, round(EXTRACT(EPOCH FROM t.run_at - now()) * 1000))::integer AS delay_ms"""

# A task is made in the transaction that ends the last of those before it: so its time is that end's.
RELEASED = text(f"""
    SELECT {FRESH}, bool_or(t.created_at = e.updated_at) AS is_made
    FROM workflow_nodes d CROSS JOIN LATERAL unnest(d.successors) AS s (name)
    JOIN tasks e ON e.id = d.task_id AND e.tenant_id = d.tenant_id
    JOIN workflow_nodes n ON n.workflow_id = d.workflow_id AND n.name = s.name
    JOIN tasks t ON t.id = n.task_id AND t.tenant_id = n.tenant_id AND t.status = 'PENDING'
    WHERE d.task_id = ANY(CAST(:ended AS uuid[]))
    GROUP BY t.id
""")

WAITING = text(f"""
    SELECT {FRESH}, true AS is_made FROM workflow_nodes n
    JOIN tasks t ON t.id = n.task_id AND t.tenant_id = n.tenant_id AND t.status = 'PENDING'
    WHERE n.workflow_id = :id AND n.tenant_id = :tenant_id AND n.state = 'RELEASED'
""")

# So many that a batch is short, however many nodes each has; those of which a task is left stay for the next day.
PRUNE = text("""
    WITH old AS MATERIALIZED (
        SELECT w.id, w.total FROM workflows w
        WHERE w.id < :until AND w.finished_at < :before AND NOT EXISTS (
            SELECT FROM workflow_nodes n JOIN tasks t ON t.id = n.task_id WHERE n.workflow_id = w.id)
        ORDER BY w.id LIMIT :most FOR UPDATE SKIP LOCKED
    ), pick AS (
        SELECT o.id FROM (SELECT old.id, sum(old.total) OVER (ORDER BY old.id) - old.total AS before FROM old) o
        WHERE o.before < :most_nodes
    )
    DELETE FROM workflows w USING pick WHERE w.id = pick.id RETURNING w.id
""")


@dataclass(frozen=True, slots=True)
class Fresh:
    """A task that waits, and may not have been hinted. ``is_made``: nobody else has told of it, either."""

    id: UUID
    tenant_id: int
    type: str
    queue: str
    priority: int
    limits: str
    delay_ms: int
    is_made: bool


async def cancel(session: AsyncSession, tenant_id: int, workflow_id: UUID) -> bool:
    """Cancel the nodes that wait for others, and let no more begin; False: it is final, or not there."""
    return (await session.execute(CANCEL, {"id": workflow_id, "tenant_id": tenant_id})).first() is not None


async def cancel_tasks(session: AsyncSession, tenant_id: int, workflow_id: UUID, *, most: int) -> list[Task]:
    """Cancel up to ``most`` of its tasks as a person would: at once, or by a request where they run."""
    rows = await session.execute(CANCEL_TASKS, {"id": workflow_id, "tenant_id": tenant_id, "most": most})
    return [task_of(row) for row in rows.mappings()]


async def half_cancelled(session: AsyncSession, *, most: int) -> list[tuple[int, UUID]]:
    """(tenant, workflow) of those whose cancel has not reached every task."""
    return [(row.tenant_id, row.id) for row in await session.execute(HALF_CANCELLED, {"most": most})]


async def retry(session: AsyncSession, tenant_id: int, workflow_id: UUID) -> bool:
    """Begin the part anew that did not complete, in the transaction of ``session``; False: there is none such."""
    of = {"id": workflow_id, "tenant_id": tenant_id}
    if (await session.execute(REOPEN, of)).first() is None:
        return False
    ready = [row.name for row in await session.execute(RESET, of) if not row.pending]
    await release(session, workflow_id, ready)
    return True


async def released(runner: Runner, ended: Sequence[UUID]) -> list[Fresh]:
    """The tasks that wait and came right after these ones."""
    rows = await runner.execute(RELEASED, {"ended": list(ended)})
    return [Fresh(*row.values()) for row in rows.mappings()]


async def waiting(session: AsyncSession, tenant_id: int, workflow_id: UUID) -> list[Fresh]:
    """The tasks of a workflow that wait."""
    rows = await session.execute(WAITING, {"id": workflow_id, "tenant_id": tenant_id})
    return [Fresh(*row.values()) for row in rows.mappings()]


async def prune(session: AsyncSession, *, before: datetime, most: int, most_nodes: int) -> int:
    """Forget workflows that ended before ``before`` and have no task left; how many."""
    parameters = {"until": first_id_at(before), "before": before, "most": most, "most_nodes": most_nodes}
    return len((await session.execute(PRUNE, parameters)).all())
