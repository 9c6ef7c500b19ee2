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
    AND EXISTS (SELECT FROM workers w WHERE w.id = :worker_id AND w.state <> 'dead')"""

TAKE = f"""
    UPDATE tasks t
    SET status = 'PROCESSING', lease = :lease, worker_id = :worker_id, attempt = t.attempt + 1,
        version = t.version + 1, started_at = now(), updated_at = now(), outcome = 'running',
        progress = NULL, error = NULL
    FROM pick WHERE t.id = pick.id {{more}}
    RETURNING {CLAIM_COLUMNS}
"""
TAKE_IDS = TAKE.format(more="")
# PostgreSQL cannot tell how few are picked, and would rather read the whole table than the rows by their key.
TAKE_PICKED = TAKE.format(more="AND t.id = ANY(ARRAY(SELECT id FROM pick))")

# A task with limits is claimed by ``statements.limits`` alone, which counts. Each id by itself, in its own order: asked
# for all of them at once, PostgreSQL may walk the whole backlog of their queues, where its statistics are old.
BY_IDS = text(f"""
    WITH pick AS (
        SELECT found.id FROM unnest(CAST(:ids AS uuid[])) AS hinted (id) CROSS JOIN LATERAL (
            SELECT t.id FROM tasks t
            WHERE t.id = hinted.id AND t.queue = ANY(CAST(:queues AS text[])) AND t.limits = ''
                  AND NOT EXISTS (SELECT FROM queues q
                                  WHERE q.tenant_id = t.tenant_id AND q.name = t.queue AND q.paused)
                  AND {CLAIMABLE}
            FOR NO KEY UPDATE SKIP LOCKED
        ) found
    ) {TAKE_IDS}
""")

IS_PAUSED = "EXISTS (SELECT FROM queues q WHERE q.tenant_id = line.tenant_id AND q.name = line.queue AND q.paused)"
"""Asked of a whole line, before its rows are read: a million may wait in it. (Asked of each row, PostgreSQL expects
that none is left, and sorts them all.)"""

# Of one line, by priority, then time. Each LIMIT stops its loop as soon as enough rows are locked; a sort would lock
# them all.
NEXT_IN_LINE = f"""
    SELECT next.id FROM generate_series(0, 9) AS p (priority) CROSS JOIN LATERAL (
        SELECT t.id FROM tasks t
        WHERE t.queue = line.queue AND t.tenant_id = line.tenant_id AND t.limits = line.limits
              AND t.priority = p.priority AND {CLAIMABLE}
        ORDER BY t.run_at LIMIT :most FOR NO KEY UPDATE SKIP LOCKED
    ) next
    WHERE NOT {IS_PAUSED}
"""

# From tenant to tenant through the index, in its order and no other's: as many steps as there are tenants for whom
# something waits. They share a queue, and take turns: where one has less than its share waiting, the next poll gives
# the rest to the others.
BY_ORDER = text(f"""
    WITH RECURSIVE line AS (
        SELECT o.queue, o.place, first.tenant_id, '' AS limits
        FROM unnest(CAST(:pick_queues AS text[])) WITH ORDINALITY AS o (queue, place)
        CROSS JOIN LATERAL (
            SELECT t.tenant_id FROM tasks t
            WHERE t.queue = o.queue AND t.status IN ('PENDING', 'RETRYING')
            ORDER BY t.tenant_id, t.limits, t.priority, t.run_at LIMIT 1
        ) first
        UNION ALL
        SELECT line.queue, line.place, next.tenant_id, '' FROM line CROSS JOIN LATERAL (
            SELECT t.tenant_id FROM tasks t
            WHERE t.queue = line.queue AND t.tenant_id > line.tenant_id AND t.status IN ('PENDING', 'RETRYING')
            ORDER BY t.tenant_id, t.limits, t.priority, t.run_at LIMIT 1
        ) next
    ), sharing AS (
        SELECT line.*, count(*) OVER (PARTITION BY line.queue) AS sharers FROM line WHERE NOT {IS_PAUSED}
    ), pick AS MATERIALIZED (
        SELECT due.id
        FROM (SELECT * FROM sharing ORDER BY place, tenant_id <= CAST(:after AS integer), tenant_id) line
        CROSS JOIN LATERAL (
            {NEXT_IN_LINE} LIMIT (CAST(:most AS bigint) + line.sharers - 1) / line.sharers
        ) due
        LIMIT :most
    ) {TAKE_PICKED}
""")


@dataclass(frozen=True, slots=True)
class Claimant:
    """Who claims, and what it can run. Queues come first to last in the order it serves them."""

    worker_id: UUID
    queues: tuple[str, ...]
    types: tuple[str, ...]


async def claim_by_ids(runner: Runner, who: Claimant, lease: UUID, ids: Sequence[UUID | str]) -> list[ClaimedTask]:
    """Own those of ``ids`` that wait and are due; an id not returned is somebody else's, or not due."""
    return await claim_with(runner, BY_IDS, who, lease, {"ids": sorted(ids, key=str), "queues": list(who.queues)})


async def claim_by_order(runner: Runner, who: Claimant, lease: UUID, most: int, *, after: int = 0) -> list[ClaimedTask]:
    """Own up to ``most`` due tasks: by queue, the tenants in turn beginning behind ``after``, priority, ``run_at``.

    Fewer than ``most`` need not be all there are: a tenant gets its share of a queue, however little others need.
    """
    parameters = {"pick_queues": list(who.queues), "most": most, "after": after}
    return await claim_with(runner, BY_ORDER, who, lease, parameters)


async def claim_with(
    runner: Runner, statement: TextClause, who: Claimant, lease: UUID, parameters: dict[str, object]
) -> list[ClaimedTask]:
    """Run a claim of these ``parameters``, beside those that each has."""
    shared = {"types": list(who.types), "lease": lease, "worker_id": who.worker_id}
    rows = await runner.execute(statement, {**shared, **parameters})
    return [claimed_of(row) for row in rows.mappings()]
