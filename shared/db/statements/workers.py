"""The registry of workers: one row per incarnation, and its heartbeat."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.rows import dumps
from shared.domain.worker import WorkerInfo

REGISTER = text("""
    INSERT INTO workers (id, hostname, pid, state, queues, types, missing, concurrency, pool_size,
                         pool_overflow, version)
    VALUES (:id, :hostname, :pid, :state, CAST(:queues AS text[]), CAST(:types AS text[]), CAST(:missing AS jsonb),
            :concurrency, :pool_size, :pool_overflow, :version)
    ON CONFLICT (id) DO UPDATE SET state = excluded.state, seen_at = now(), beat = workers.beat + 1
""")
REMOVE = text("DELETE FROM workers WHERE id = :id")
LIVE = text("""
    SELECT w.*, EXTRACT(EPOCH FROM now() - w.seen_at)::float8 AS heartbeat_age
    FROM workers w WHERE w.seen_at > now() - make_interval(secs => :within) AND w.state <> 'dead'
    ORDER BY w.started_at, w.id
""")
# The heartbeat keeps the word, and its worker reads it there.
DRAIN = text("""
    UPDATE workers w SET state = 'draining' WHERE w.id = :id AND w.state <> 'dead'
    RETURNING w.*, EXTRACT(EPOCH FROM now() - w.seen_at)::float8 AS heartbeat_age
""")
RUNNING = text("""
    SELECT t.worker_id, t.id FROM tasks t
    WHERE t.status = 'PROCESSING' AND t.worker_id = ANY(CAST(:workers AS uuid[])) AND t.tenant_id = :tenant_id
    ORDER BY t.id LIMIT 10000
""")
PRUNE = text("DELETE FROM workers WHERE state = 'dead' AND seen_at < now() - make_interval(secs => :after)")


async def register(session: AsyncSession, worker: WorkerInfo) -> None:
    await session.execute(
        REGISTER,
        {
            "id": worker.id,
            "hostname": worker.hostname,
            "pid": worker.pid,
            "state": worker.state,
            "queues": worker.queues,
            "types": worker.types,
            "missing": dumps(worker.missing),
            "concurrency": worker.concurrency,
            "pool_size": worker.pool_size,
            "pool_overflow": worker.pool_overflow,
            "version": worker.version,
        },
    )


async def remove(session: AsyncSession, worker_id: UUID) -> None:
    await session.execute(REMOVE, {"id": worker_id})


async def prune(session: AsyncSession, *, after: float) -> None:
    """Forget dead workers not seen for ``after`` seconds. The living are never judged by a wall clock."""
    await session.execute(PRUNE, {"after": after})


async def live(session: AsyncSession, *, within: float) -> list[WorkerInfo]:
    """Workers seen within the last ``within`` seconds."""
    return [_info(row) for row in (await session.execute(LIVE, {"within": within})).mappings()]


async def drain(session: AsyncSession, worker_id: UUID) -> WorkerInfo | None:
    """Ask a worker to take no more and to end; None: there is none, or it was declared dead."""
    row = (await session.execute(DRAIN, {"id": worker_id})).mappings().first()
    return None if row is None else _info(row)


def _info(row: RowMapping) -> WorkerInfo:
    return WorkerInfo(
        id=row["id"],
        hostname=row["hostname"],
        pid=row["pid"],
        state=row["state"],
        queues=row["queues"],
        concurrency=row["concurrency"],
        types=row["types"],
        missing=row["missing"],
        pool_size=row["pool_size"],
        pool_overflow=row["pool_overflow"],
        version=row["version"],
        started_at=row["started_at"],
        heartbeat_age=row["heartbeat_age"],
    )


async def running_by_worker(session: AsyncSession, tenant_id: int, workers: Sequence[UUID]) -> dict[UUID, list[UUID]]:
    """Ids of the tenant's running tasks, by the worker of ``workers`` that owns them."""
    found: dict[UUID, list[UUID]] = {}
    for row in await session.execute(RUNNING, {"tenant_id": tenant_id, "workers": list(workers)}):
        found.setdefault(row.worker_id, []).append(row.id)
    return found
