"""What the rows say: spans and waits by the database's clock. And the two yardsticks that are PostgreSQL alone."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

import asyncpg
from sqlalchemy import text

from shared.db.session import Database
from shared.db.statements import claim, settle
from shared.db.statements.claim import Claimant
from shared.domain.verdict import completed

SPAN = """
    SELECT count(*) AS completed,
           CAST(extract(epoch FROM max(finished_at) - min(finished_at)) AS float8) AS finishing,
           CAST(extract(epoch FROM max(finished_at) - min(created_at)) AS float8) AS living
    FROM tasks WHERE created_at >= $1 AND status = 'COMPLETED'
"""
WAITS = """
    SELECT CAST(extract(epoch FROM started_at - created_at) AS float8) * 1e3 AS claimed_ms,
           (CAST(result ->> 'at' AS float8) - CAST(extract(epoch FROM created_at) AS float8)) * 1e3 AS entered_ms
    FROM tasks WHERE created_at >= $1
"""
UNFINISHED = "SELECT EXISTS (SELECT FROM tasks WHERE status IN ('PENDING', 'RETRYING', 'PROCESSING'))"
WORKER = """
    INSERT INTO workers (id, hostname, pid, queues, types, missing, concurrency, pool_size, pool_overflow, version)
    VALUES (:id, 'here', 1, '{}', '{}', '{}', 1, 1, 1, '0')
"""


@dataclass(frozen=True)
class Span:
    """How long ``completed`` tasks took: ``finishing`` from first to last end, ``living`` from the first submit."""

    completed: int
    finishing: float
    living: float

    @property
    def finished_rate(self) -> float:
        return (self.completed - 1) / self.finishing if self.finishing else math.nan  # one settle ended them all

    @property
    def end_to_end_rate(self) -> float:
        return self.completed / self.living


class Rows:
    """One connection that reads, and clears, what a measure left."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def now(self) -> datetime:
        at: datetime = await self._connection.fetchval("SELECT clock_timestamp()")
        return at

    async def clear(self) -> None:
        await self._connection.execute("TRUNCATE tasks CASCADE")

    async def version(self) -> str:
        return str(await self._connection.fetchval("SHOW server_version"))

    async def drained_within(self, seconds: float) -> bool:
        """Whether everything ended in that time; returns as soon as it has."""
        ends_at = time.monotonic() + seconds
        while await self._connection.fetchval(UNFINISHED):
            if time.monotonic() > ends_at:
                return False
            await asyncio.sleep(0.05)
        return True

    async def span(self, since: datetime) -> Span:
        """Of the tasks submitted ``since`` that completed. Raises: RuntimeError, when they are fewer than two."""
        row = await self._connection.fetchrow(SPAN, since)
        if row is None or row["completed"] < 2:
            raise RuntimeError(f"hardly anything completed: {row}")
        return Span(**row)

    async def waits_ms(self, since: datetime) -> tuple[list[float], list[float]]:
        """From the INSERT's start (so its commit counts) to the claim's start, and to the handler's first line."""
        rows = await self._connection.fetch(WAITS, since)
        return [row["claimed_ms"] for row in rows], [row["entered_ms"] for row in rows]

    async def commits_ms(self, count: int) -> list[float]:
        """Yardstick of a pick-up: one row written and committed, round trip included."""
        await self._connection.execute("CREATE TABLE IF NOT EXISTS bench_commits (n int)")
        took = []
        for n in range(count):
            started_at = time.perf_counter()
            await self._connection.execute("INSERT INTO bench_commits VALUES ($1)", n)
            took.append((time.perf_counter() - started_at) * 1e3)
        return took


async def statements_alone(database_url: str, batch: int, seconds: float) -> None:
    """Yardstick of a drain: what waits, claimed and settled in turn on one connection, by no worker."""
    ends_at = time.monotonic() + seconds
    db = Database(database_url, pool_size=1, overflow=0, recycle=3_600, application="bench")
    who = Claimant(uuid4(), ("demo_tasks",), ("bench_noop",))
    try:
        async with db.autocommit() as session:
            await session.execute(text(WORKER), {"id": who.worker_id})
            while time.monotonic() < ends_at and (runs := await claim.claim_by_order(session, who, uuid4(), batch)):
                ends = [
                    settle.Settlement(run.tenant_id, run.id, run.lease, completed('{"at": 0.0}'), None) for run in runs
                ]
                await settle.settle(session, ends)
            await session.execute(text("DELETE FROM workers WHERE id = :id"), {"id": who.worker_id})
    finally:
        await db.close()
