"""The queues of a tenant: what waits in each, which are paused, and the purge.

Counts look at a bounded number of waiting rows, so that a backlog of millions costs no more than one of
thousands. ``tasks_claim`` holds the waiting rows by queue, tenant, limits, priority and time, and no others.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.rows import error_of
from shared.domain.verdict import TaskError

WAITING = "t.status IN ('PENDING', 'RETRYING')"
# For what runs, spelled so that no index of the tenant serves it: that one holds all history.
OF_TENANT = "t.tenant_id + 0 = :tenant_id"

# From name to name through the index: as many steps as there are queues in which something waits.
NAMES = text(f"""
    WITH RECURSIVE found AS (
        SELECT min(t.queue) AS name FROM tasks t WHERE {WAITING}
        UNION ALL
        SELECT (SELECT min(t.queue) FROM tasks t WHERE {WAITING} AND t.queue > found.name)
        FROM found WHERE found.name IS NOT NULL
    )
    SELECT name FROM found WHERE name IS NOT NULL
""")

# Each priority, and beside them all that have limits.
LOADS = text(f"""
    SELECT n.name, sum(part.waiting)::int AS waiting, sum(part.delayed)::int AS delayed, bool_or(part.is_cut) AS is_cut,
           EXTRACT(EPOCH FROM now() - min(part.oldest))::float8 AS oldest_age
    FROM unnest(CAST(:names AS text[])) AS n (name)
    CROSS JOIN generate_series(0, 10) AS p (priority)
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE seen.run_at <= now()) AS waiting,
               count(*) FILTER (WHERE seen.run_at > now()) AS delayed,
               min(seen.run_at) FILTER (WHERE seen.run_at <= now()) AS oldest,
               count(*) >= :most AS is_cut
        FROM (
            (
                SELECT t.run_at FROM tasks t
                WHERE t.queue = n.name AND t.tenant_id = :tenant_id AND t.limits = '' AND t.priority = p.priority
                      AND {WAITING}
                ORDER BY t.run_at LIMIT :most
            )
            UNION ALL
            (
                SELECT t.run_at FROM tasks t
                WHERE p.priority = 10 AND t.queue = n.name AND t.tenant_id = :tenant_id AND t.limits > ''
                      AND {WAITING}
                LIMIT :most
            )
        ) seen
    ) part
    GROUP BY n.name
""")

RUNNING = text(f"""
    SELECT t.queue, count(*) AS running FROM tasks t
    WHERE t.status = 'PROCESSING' AND {OF_TENANT} GROUP BY t.queue
""")

PAUSED = text("SELECT name FROM queues WHERE tenant_id = :tenant_id AND paused")

PAUSED_OF_ALL = text("SELECT tenant_id, name FROM queues WHERE paused")

SET_PAUSED = text("""
    INSERT INTO queues (tenant_id, name, paused) VALUES (:tenant_id, :name, :paused)
    ON CONFLICT (tenant_id, name) DO UPDATE SET paused = excluded.paused
""")

NOW = text("SELECT clock_timestamp()")

# A claim that began before a pause was committed does not see it, and may still give tasks out.
STILL_CLAIMING = text("""
    SELECT EXISTS (
        SELECT FROM pg_stat_activity a
        WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.backend_type = 'client backend'
              AND a.state = 'active' AND a.xact_start <= :since
    )
""")

NEXT_DUE = text(f"""
    SELECT t.id, t.priority, t.limits FROM tasks t
    WHERE t.queue = :queue AND {WAITING} AND t.run_at <= now() AND t.tenant_id = :tenant_id
    ORDER BY t.limits, t.priority, t.run_at LIMIT :most
""")

# By the order of the index, from where the last batch ended: the entries of rows already cancelled stay in it for
# a while, and each batch would step over all of them.
PURGE = text(f"""
    WITH pick AS MATERIALIZED (
        SELECT t.id FROM tasks t
        WHERE t.queue = :queue AND {WAITING} AND t.tenant_id = :tenant_id AND t.created_at <= :before
              AND (t.limits, t.priority, t.run_at) >= (:limits, CAST(:priority AS smallint), :run_at)
        ORDER BY t.limits, t.priority, t.run_at LIMIT :most FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE tasks t
    SET status = 'CANCELLED', cancel_requested = true, finished_at = now(), updated_at = now(), version = t.version + 1
    FROM pick WHERE t.id = pick.id
    RETURNING t.id, t.type, t.generation, t.attempt, t.error, t.limits, t.priority, t.run_at
""")


@dataclass(frozen=True, slots=True)
class Load:
    """What waits in a queue: due and not due. ``is_cut``: there may be more than was looked at."""

    waiting: int = 0
    delayed: int = 0
    oldest_age: float | None = None
    is_cut: bool = False


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """How far a purge has come in the order of claims."""

    limits: str = ""
    priority: int = 0
    run_at: datetime = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A task that a purge has cancelled, as far as others must be told, and where it stood."""

    id: UUID
    type: str
    generation: int
    attempt: int
    error: TaskError | None
    place: Place


async def names(session: AsyncSession) -> list[str]:
    """Every queue in which a task of any tenant waits."""
    return list((await session.execute(NAMES)).scalars())


async def loads(session: AsyncSession, tenant_id: int, queues: list[str], *, most: int) -> dict[str, Load]:
    """What of the tenant waits in each of ``queues``, among the first ``most`` tasks of each priority."""
    rows = await session.execute(LOADS, {"tenant_id": tenant_id, "names": queues, "most": most})
    return {row.name: Load(row.waiting, row.delayed, row.oldest_age, row.is_cut) for row in rows}


async def running(session: AsyncSession, tenant_id: int) -> dict[str, int]:
    """How many tasks of the tenant run, by queue that has any."""
    return {row.queue: row.running for row in await session.execute(RUNNING, {"tenant_id": tenant_id})}


async def paused(session: AsyncSession, tenant_id: int) -> set[str]:
    return set((await session.execute(PAUSED, {"tenant_id": tenant_id})).scalars())


async def paused_of_all(session: AsyncSession) -> set[tuple[int, str]]:
    """(tenant, queue) of every pause."""
    return {(row.tenant_id, row.name) for row in await session.execute(PAUSED_OF_ALL)}


async def set_paused(session: AsyncSession, tenant_id: int, queue: str, *, is_paused: bool) -> None:
    await session.execute(SET_PAUSED, {"tenant_id": tenant_id, "name": queue, "paused": is_paused})


async def now(session: AsyncSession) -> datetime:
    """PostgreSQL's clock."""
    found: datetime = (await session.execute(NOW)).scalar_one()
    return found


async def somebody_still_claims(session: AsyncSession, since: datetime) -> bool:
    """Whether a statement that began at ``since`` or before is still under way."""
    return bool((await session.execute(STILL_CLAIMING, {"since": since})).scalar_one())


async def next_due(session: AsyncSession, tenant_id: int, queue: str, *, most: int) -> list[tuple[UUID, int, str]]:
    """Id, priority and limits of the tenant's tasks that a claim would take first; those with limits come last."""
    parameters = {"tenant_id": tenant_id, "queue": queue, "most": most}
    return [(row.id, row.priority, row.limits) for row in await session.execute(NEXT_DUE, parameters)]


async def purge(
    session: AsyncSession, tenant_id: int, queue: str, *, before: datetime, after: Place, most: int
) -> list[Cancelled]:
    """Cancel up to ``most`` waiting tasks created by ``before``, from ``after`` on. Rows others hold are passed by."""
    parameters = {"tenant_id": tenant_id, "queue": queue, "before": before, "most": most}
    rows = await session.execute(PURGE, {**parameters, **asdict(after)})
    return [
        Cancelled(
            row.id,
            row.type,
            row.generation,
            row.attempt,
            error_of(row.error),
            Place(row.limits, row.priority, row.run_at),
        )
        for row in rows
    ]
