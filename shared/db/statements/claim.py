"""Take waiting tasks for a worker: by the ids of hints, or by PostgreSQL's own order. Never waits for a lock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import TextClause, text

from shared.db.lane import Runner
from shared.db.rows import CLAIM_COLUMNS, claimed_of
from shared.domain.task import ClaimedTask

CLAIMABLE = """t.status IN ('PENDING', 'RETRYING') AND t.run_at <= now()
    AND (t.expires_at IS NULL OR t.expires_at > now()) AND t.type = ANY(CAST(:types AS text[]))
    AND NOT EXISTS (SELECT FROM queues q WHERE q.tenant_id = t.tenant_id AND q.name = t.queue AND q.paused)
    AND EXISTS (SELECT FROM workers w WHERE w.id = :worker_id AND w.state <> 'dead')"""

TAKE = f"""
    UPDATE tasks t
    SET status = 'PROCESSING', lease = :lease, worker_id = :worker_id, attempt = t.attempt + 1,
        version = t.version + 1, started_at = now(), updated_at = now(), outcome = 'running',
        progress = NULL, error = NULL
    FROM pick WHERE t.id = pick.id
    RETURNING {CLAIM_COLUMNS}
"""

BY_IDS = text(f"""
    WITH pick AS (
        SELECT t.id FROM tasks t
        WHERE t.id = ANY(CAST(:ids AS uuid[])) AND t.queue = ANY(CAST(:queues AS text[])) AND {CLAIMABLE}
        ORDER BY t.id FOR NO KEY UPDATE SKIP LOCKED
    ) {TAKE}
""")

# The outer LIMIT stops the nested loop as soon as enough rows are locked; a sort would lock them all.
# A queue that every tenant has paused is not looked into at all: a million tasks may wait there.
BY_ORDER = text(f"""
    WITH pick AS MATERIALIZED (
        SELECT due.id
        FROM unnest(CAST(:pick_queues AS text[]), CAST(:pick_priorities AS smallint[])) AS o (queue, priority)
        CROSS JOIN LATERAL (
            SELECT t.id FROM tasks t
            WHERE t.queue = o.queue AND t.priority = o.priority AND {CLAIMABLE}
            ORDER BY t.run_at LIMIT :most FOR NO KEY UPDATE SKIP LOCKED
        ) due
        WHERE (SELECT count(*) FROM queues q WHERE q.name = o.queue AND q.paused) < (SELECT count(*) FROM tenants)
        LIMIT :most
    ) {TAKE}
""")


@dataclass(frozen=True, slots=True)
class Claimant:
    """Who claims, and what it can run. Queues come first to last in the order it serves them."""

    worker_id: UUID
    queues: tuple[str, ...]
    types: tuple[str, ...]


async def claim_by_ids(runner: Runner, who: Claimant, lease: UUID, ids: Sequence[UUID]) -> list[ClaimedTask]:
    """Own those of ``ids`` that wait and are due; an id not returned is somebody else's, or not due."""
    return await _claim(runner, BY_IDS, who, lease, {"ids": list(ids), "queues": list(who.queues)})


async def claim_by_order(runner: Runner, who: Claimant, lease: UUID, most: int) -> list[ClaimedTask]:
    """Own up to ``most`` due tasks, by queue, then priority, then ``run_at``."""
    pairs = [(queue, priority) for queue in who.queues for priority in range(10)]
    parameters = {"pick_queues": [q for q, _ in pairs], "pick_priorities": [p for _, p in pairs], "most": most}
    return await _claim(runner, BY_ORDER, who, lease, parameters)


async def _claim(
    runner: Runner, statement: TextClause, who: Claimant, lease: UUID, parameters: dict[str, object]
) -> list[ClaimedTask]:
    shared = {"types": list(who.types), "lease": lease, "worker_id": who.worker_id}
    rows = await runner.execute(statement, {**shared, **parameters})
    return [claimed_of(row) for row in rows.mappings()]
