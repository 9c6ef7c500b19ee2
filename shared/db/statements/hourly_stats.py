"""The statistics of each hour, by tenant, type and queue: computed from the tasks created in it, kept without them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.statements.stats import MEASURES, SKEW, stats_of
from shared.domain.ids import first_id_at
from shared.domain.run import StatsRow
from shared.domain.schedule import HOURLY_STATS
from shared.domain.statistics import HOUR

# An hour is over once no statement that began in it can still commit.
PROGRESS = text("""
    SELECT s.enabled, s.last_run AS done_until, date_trunc('hour', now() - interval '1 minute') AS due_until,
           (SELECT date_trunc('hour', t.created_at) FROM tasks t ORDER BY t.id LIMIT 1) AS first_hour
    FROM schedules s WHERE s.id = :id AND s.is_builtin
""")
GENERATE = text(f"""
    INSERT INTO hourly_stats AS h (tenant_id, hour, type, queue, submitted, completed, failed, cancelled, unfinished,
                                   retried, wait_p50, wait_p95, wait_p99, run_p50, run_p95, run_p99)
    SELECT c.tenant_id, :hour, c.type, c.queue, c.submitted, c.completed, c.failed, c.cancelled, c.unfinished,
           c.retried, c.wait[1], c.wait[2], c.wait[3], c.run[1], c.run[2], c.run[3]
    FROM (
        SELECT t.tenant_id, t.type, t.queue,
               {MEASURES},
               count(*) FILTER (WHERE t.finished_at IS NULL) AS unfinished
        FROM tasks t
        WHERE t.id >= :first AND t.id < :last
              AND t.created_at >= :hour AND t.created_at < CAST(:hour AS timestamptz) + interval '1 hour'
        GROUP BY t.tenant_id, t.type, t.queue
    ) c
    ON CONFLICT (tenant_id, hour, type, queue) DO UPDATE
    SET submitted = excluded.submitted, completed = excluded.completed, failed = excluded.failed,
        cancelled = excluded.cancelled, unfinished = excluded.unfinished, retried = excluded.retried,
        wait_p50 = excluded.wait_p50, wait_p95 = excluded.wait_p95, wait_p99 = excluded.wait_p99,
        run_p50 = excluded.run_p50, run_p95 = excluded.run_p95, run_p99 = excluded.run_p99
""")
UNFINISHED = text("""
    SELECT DISTINCT h.hour FROM hourly_stats h
    WHERE h.unfinished > 0 AND h.hour = ANY(CAST(:hours AS timestamptz[])) ORDER BY h.hour
""")
DONE = text("UPDATE schedules s SET last_run = GREATEST(s.last_run, :until) WHERE s.id = :id AND s.is_builtin")
WINDOW = text("""
    SELECT h.type, h.queue, sum(h.submitted) AS submitted, sum(h.completed) AS completed, sum(h.failed) AS failed,
           sum(h.cancelled) AS cancelled, sum(h.retried) AS retried,
           ARRAY[sum(h.wait_p50 * h.submitted) / sum(h.submitted) FILTER (WHERE h.wait_p50 IS NOT NULL),
                 sum(h.wait_p95 * h.submitted) / sum(h.submitted) FILTER (WHERE h.wait_p95 IS NOT NULL),
                 sum(h.wait_p99 * h.submitted) / sum(h.submitted) FILTER (WHERE h.wait_p99 IS NOT NULL)] AS wait,
           ARRAY[sum(h.run_p50 * h.submitted) / sum(h.submitted) FILTER (WHERE h.run_p50 IS NOT NULL),
                 sum(h.run_p95 * h.submitted) / sum(h.submitted) FILTER (WHERE h.run_p95 IS NOT NULL),
                 sum(h.run_p99 * h.submitted) / sum(h.submitted) FILTER (WHERE h.run_p99 IS NOT NULL)] AS run
    FROM hourly_stats h
    WHERE h.tenant_id = :tenant_id AND h.hour >= date_trunc('hour', CAST(:since AS timestamptz)) AND h.hour < :until
    GROUP BY h.type, h.queue ORDER BY h.type, h.queue
""")


async def hours_due(session: AsyncSession, *, not_before: datetime) -> list[datetime]:
    """The hours that are over and not computed, oldest first; none while it is paused."""
    row = (await session.execute(PROGRESS, {"id": HOURLY_STATS.id})).one()
    if not row.enabled:
        return []
    # Where nothing was ever computed: from the first task on; where there is none, the hour just over alone.
    begun: datetime = row.done_until or row.first_hour or row.due_until - HOUR
    hour, due = max(begun, not_before), []
    while hour < row.due_until:
        due.append(hour)
        hour += HOUR
    return due


async def unfinished(session: AsyncSession, hours: Sequence[datetime]) -> list[datetime]:
    """Those of ``hours`` that had unfinished tasks when they were computed."""
    return list((await session.execute(UNFINISHED, {"hours": list(hours)})).scalars())


async def generate(session: AsyncSession, hour: datetime) -> None:
    """Compute an hour, anew where it was. Its tasks must all be there still."""
    first, last = first_id_at(hour - SKEW), first_id_at(hour + HOUR + SKEW)
    await session.execute(GENERATE, {"hour": hour, "first": first, "last": last})


async def done(session: AsyncSession, until: datetime) -> None:
    """Hours before ``until`` are computed."""
    await session.execute(DONE, {"id": HOURLY_STATS.id, "until": until})


async def window(session: AsyncSession, tenant_id: int, since: datetime, until: datetime) -> list[StatsRow]:
    """What was kept of the hours from that of ``since`` to ``until``; percentiles are means weighted by tasks."""
    rows = await session.execute(WINDOW, {"tenant_id": tenant_id, "since": since, "until": until})
    return [stats_of(row) for row in rows]
