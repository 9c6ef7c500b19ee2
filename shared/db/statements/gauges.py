"""Numbers of the whole service for its operator, over all tenants. Each looks at a bounded part of its table."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.domain.schedule import BuiltIn

LOADS = text("""
    SELECT n.name, part.waiting, part.delayed, EXTRACT(EPOCH FROM now() - part.oldest)::float8 AS oldest_age
    FROM unnest(CAST(:names AS text[])) AS n (name)
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE seen.run_at <= now()) AS waiting,
               count(*) FILTER (WHERE seen.run_at > now()) AS delayed,
               min(seen.run_at) FILTER (WHERE seen.run_at <= now()) AS oldest
        FROM (
            SELECT t.run_at FROM tasks t WHERE t.queue = n.name AND t.status IN ('PENDING', 'RETRYING') LIMIT :most
        ) seen
    ) part
""")
RUNNING = text("SELECT t.queue, count(*) AS running FROM tasks t WHERE t.status = 'PROCESSING' GROUP BY t.queue")
WEBHOOKS_DUE = text("""
    SELECT count(*) AS due, COALESCE(EXTRACT(EPOCH FROM now() - min(seen.due_at)), 0)::float8 AS oldest_age
    FROM (SELECT d.due_at FROM webhook_deliveries d WHERE d.is_due LIMIT :most) seen
""")
ALIVE = text("""
    SELECT count(*) FROM workers w WHERE w.state <> 'dead' AND w.seen_at > now() - make_interval(secs => :within)
""")
# Since the migrations, where it has not run yet.
AGE = text("""
    SELECT EXTRACT(EPOCH FROM now() - COALESCE(s.last_run, s.created_at))::float8
    FROM schedules s WHERE s.id = :id AND s.is_builtin
""")


@dataclass(frozen=True, slots=True)
class QueueLoad:
    """What waits in one queue. ``oldest_age`` is seconds; None: nothing is due."""

    waiting: int
    delayed: int
    oldest_age: float | None


async def loads(session: AsyncSession, queues: list[str], *, most: int) -> dict[str, QueueLoad]:
    """Of all tenants together, looking at ``most`` tasks of each queue."""
    rows = await session.execute(LOADS, {"names": queues, "most": most})
    return {row.name: QueueLoad(row.waiting, row.delayed, row.oldest_age) for row in rows}


async def running(session: AsyncSession) -> dict[str, int]:
    """Running tasks by queue."""
    return {row.queue: row.running for row in await session.execute(RUNNING)}


async def webhooks_due(session: AsyncSession, *, most: int) -> tuple[int, float]:
    """How many deliveries are due, counted up to ``most``, and since how many seconds the oldest of these."""
    row = (await session.execute(WEBHOOKS_DUE, {"most": most})).one()
    return row.due, row.oldest_age


async def workers_alive(session: AsyncSession, *, within: float) -> int:
    found: int = (await session.execute(ALIVE, {"within": within})).scalar_one()
    return found


async def age_of(session: AsyncSession, builtin: BuiltIn) -> float:
    """Seconds since a built-in schedule's work last came to its end."""
    return float((await session.execute(AGE, {"id": builtin.id})).scalar() or 0.0)
