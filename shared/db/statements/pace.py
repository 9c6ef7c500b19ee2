"""How fast a model may be asked: one lock to count under, moments not to be earlier than, and who waited how long."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

# A process that stops between two statements must not hold the lock for long.
LOCK = text("""
    WITH bound AS MATERIALIZED (SELECT set_config('idle_in_transaction_session_timeout', '2000', true))
    SELECT pg_advisory_xact_lock(hashtextextended('pace ' || CAST(:name AS text), 0)) FROM bound
""")

HOLD_BACK = text("""
    INSERT INTO rates AS r (name, busy_until) VALUES (:name, now() + make_interval(secs => :seconds))
    ON CONFLICT (name) DO UPDATE SET busy_until = GREATEST(r.busy_until, excluded.busy_until)
""")

DEFERRALS = text("""
    SELECT count(*)::int AS times, COALESCE(EXTRACT(EPOCH FROM now() - min(a.finished_at)), 0)::float8 AS since
    FROM attempts a
    WHERE a.task_id = :task_id AND a.generation = :generation AND a.outcome = 'released'
          AND a.error ->> 'type' = :error_type
""")


async def lock(session: AsyncSession, name: str) -> None:
    """Wait until nobody else counts under ``name``; held until the transaction ends."""
    await session.execute(LOCK, {"name": name})


async def hold_back(session: AsyncSession, name: str, seconds: float) -> None:
    """Nobody uses ``name`` for so many seconds; never makes an earlier such word shorter."""
    await session.execute(HOLD_BACK, {"name": name, "seconds": seconds})


async def deferrals(session: AsyncSession, task_id: UUID, generation: int, error_type: str) -> tuple[int, float]:
    """How often runs of this generation were given back with this error, and seconds since the first time."""
    parameters = {"task_id": task_id, "generation": generation, "error_type": error_type}
    row = (await session.execute(DEFERRALS, parameters)).one()
    return row.times, row.since
