"""Ticks: which schedules are due, and the one statement that makes each tick's task, once.

The primary key (schedule, tick time) decides: whoever comes second, however late, inserts neither tick nor task.
The schedule's row is locked for the length of the statement, and must have the version that was planned on: a pause
or a change that was answered holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.domain.schedule import CatchUp

COMING = text("""
    SELECT s.id, s.cron, s.every, s.timezone, s.created_at, s.catch_up, s.type, s.input, s.queue, s.version,
           s.next_run, now() AS now
    FROM schedules s
    WHERE s.next_run <= now() + make_interval(secs => :within) AND s.type = ANY(CAST(:types AS text[]))
    ORDER BY s.next_run LIMIT :most
""")

MAKE = text("""
    WITH asked AS (
        SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:versions AS integer[]), CAST(:next_runs AS timestamptz[]),
                             CAST(:queues AS text[]), CAST(:timeouts AS double precision[]),
                             CAST(:max_attempts AS smallint[]), CAST(:unique_keys AS bytea[]),
                             CAST(:limits AS text[]))
            AS a (id, version, next_run, queue, timeout, max_attempts, unique_key, limits)
    ), pick AS MATERIALIZED (
        SELECT s.id, s.tenant_id, s.name, s.type, s.input, a.next_run, a.queue, a.timeout, a.max_attempts,
               a.unique_key, a.limits
        FROM schedules s JOIN asked a ON a.id = s.id AND a.version = s.version
        ORDER BY s.id FOR NO KEY UPDATE OF s SKIP LOCKED
    ), made AS (
        INSERT INTO schedule_ticks (schedule_id, tick_at, tenant_id, task_id)
        SELECT p.id, t.tick_at, p.tenant_id, t.task_id
        FROM pick p JOIN unnest(CAST(:of AS uuid[]), CAST(:tick_ats AS timestamptz[]), CAST(:task_ids AS uuid[]))
            AS t (schedule_id, tick_at, task_id) ON t.schedule_id = p.id
        ON CONFLICT DO NOTHING
        RETURNING schedule_id, tick_at, task_id
    ), moved AS (
        UPDATE schedules s
        SET next_run = GREATEST(s.next_run, p.next_run),
            last_run = GREATEST(s.last_run, (SELECT max(m.tick_at) FROM made m WHERE m.schedule_id = s.id))
        FROM pick p WHERE s.id = p.id
    )
    INSERT INTO tasks AS t (id, tenant_id, type, queue, priority, max_attempts, timeout, input, tags, metadata,
                            limits, unique_key)
    SELECT m.task_id, p.tenant_id, p.type, p.queue, :priority, p.max_attempts, p.timeout, p.input,
           ARRAY['schedule:' || p.name],
           jsonb_build_object('schedule_id', p.id, 'schedule', p.name, 'tick',
                              to_char(m.tick_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')),
           p.limits, p.unique_key
    FROM made m JOIN pick p ON p.id = m.schedule_id
    ON CONFLICT (tenant_id, type, unique_key)
        WHERE unique_key IS NOT NULL AND status IN ('PENDING', 'RETRYING', 'PROCESSING') DO NOTHING
    RETURNING t.id, t.queue, t.priority, t.limits, t.tenant_id, t.type
""")

PRUNE = text("""
    DELETE FROM schedule_ticks k USING (
        SELECT o.schedule_id, o.tick_at FROM schedule_ticks o
        WHERE o.created_at < now() - make_interval(secs => :after)
        ORDER BY o.created_at LIMIT :most FOR UPDATE SKIP LOCKED
    ) old
    WHERE k.schedule_id = old.schedule_id AND k.tick_at = old.tick_at
    RETURNING k.tick_at
""")


@dataclass(frozen=True, slots=True)
class Coming:
    """A schedule whose tick is due, or soon will be. ``now`` is PostgreSQL's."""

    id: UUID
    cron: str | None
    every: float | None
    timezone: str
    created_at: datetime
    catch_up: CatchUp
    type: str
    input: dict[str, Any]
    queue: str | None
    version: int
    next_run: datetime
    now: datetime


@dataclass(frozen=True, slots=True)
class Due:
    """Ticks to make, each with the id of its task, and what a task of them takes."""

    schedule_id: UUID
    version: int
    ticks: list[tuple[datetime, UUID]]
    next_run: datetime
    queue: str
    timeout: float
    max_attempts: int
    unique_key: bytes | None
    limits: str


@dataclass(frozen=True, slots=True)
class Made:
    """A task that is stored."""

    id: UUID
    queue: str
    priority: int
    limits: str
    tenant_id: int
    type: str


async def coming(session: AsyncSession, *, types: Sequence[str], within: float, most: int) -> list[Coming]:
    """Schedules of these types whose tick is due within so many seconds, the oldest tick first."""
    rows = await session.execute(COMING, {"types": list(types), "within": within, "most": most})
    return [Coming(**{**row, "catch_up": CatchUp(row["catch_up"])}) for row in rows.mappings()]


async def make(session: AsyncSession, due: Sequence[Due], *, priority: int) -> list[Made]:
    """Make what nobody made yet. Schedules that changed since, or that another process is at, are left out.

    A tick whose task has a unique key that another one has is passed, and makes none.
    """
    ticks = [(one.schedule_id, at, task_id) for one in due for at, task_id in one.ticks]
    rows = await session.execute(
        MAKE,
        {
            "ids": [one.schedule_id for one in due],
            "versions": [one.version for one in due],
            "next_runs": [one.next_run for one in due],
            "queues": [one.queue for one in due],
            "timeouts": [one.timeout for one in due],
            "max_attempts": [one.max_attempts for one in due],
            "unique_keys": [one.unique_key for one in due],
            "limits": [one.limits for one in due],
            "of": [schedule_id for schedule_id, _, _ in ticks],
            "tick_ats": [at for _, at, _ in ticks],
            "task_ids": [task_id for _, _, task_id in ticks],
            "priority": priority,
        },
    )
    return [Made(row.id, row.queue, row.priority, row.limits, row.tenant_id, row.type) for row in rows]


async def prune(session: AsyncSession, *, after: float, most: int) -> int:
    """Forget ticks that were made more than ``after`` seconds ago; how many."""
    return len((await session.execute(PRUNE, {"after": after, "most": most})).all())
