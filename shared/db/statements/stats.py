"""Counts and percentiles of a window, by type and queue."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.domain.ids import EPOCH, first_id_at
from shared.domain.run import StatsRow

SKEW = timedelta(minutes=10)
"""An id is made by an API host's clock, ``created_at`` by PostgreSQL's."""

MEASURES = """count(*) AS submitted,
    count(*) FILTER (WHERE t.status = 'COMPLETED') AS completed,
    count(*) FILTER (WHERE t.status = 'FAILED') AS failed,
    count(*) FILTER (WHERE t.status = 'CANCELLED') AS cancelled,
    count(*) FILTER (WHERE t.attempt > 1) AS retried,
    percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (
        ORDER BY EXTRACT(EPOCH FROM t.started_at - GREATEST(t.created_at, t.run_at))::float8
    ) FILTER (WHERE t.started_at IS NOT NULL) AS wait,
    percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (
        ORDER BY EXTRACT(EPOCH FROM t.finished_at - t.started_at)::float8
    ) FILTER (WHERE t.finished_at IS NOT NULL AND t.started_at IS NOT NULL) AS run"""
"""Of a group of tasks ``t``. A wait begins when a task was due; percentiles are the 50th, 95th and 99th, in seconds."""

WINDOW = text(f"""
    SELECT t.type, t.queue,
           {MEASURES}
    FROM tasks t
    WHERE t.tenant_id = :tenant_id AND t.id >= :first AND t.id < :last
          AND t.created_at >= :since AND t.created_at < :until
    GROUP BY t.type, t.queue ORDER BY t.type, t.queue
""")


async def window(session: AsyncSession, tenant_id: int, since: datetime, until: datetime) -> list[StatsRow]:
    """Tasks created in [since, until). Times are seconds."""
    # The ids bound the part of the index that is read: history before it costs nothing.
    bounds = {"first": first_id_at(max(EPOCH, since - SKEW)), "last": first_id_at(until + SKEW)}
    rows = await session.execute(WINDOW, {"tenant_id": tenant_id, "since": since, "until": until, **bounds})
    return [stats_of(row) for row in rows]


def stats_of(row: Row[Any]) -> StatsRow:
    """A row with counts, and with ``wait`` and ``run`` as arrays of p50, p95 and p99."""
    return StatsRow(
        type=row.type,
        queue=row.queue,
        submitted=row.submitted,
        completed=row.completed,
        failed=row.failed,
        cancelled=row.cancelled,
        retried=row.retried,
        wait_p50=_nth(row.wait, 0),
        wait_p95=_nth(row.wait, 1),
        wait_p99=_nth(row.wait, 2),
        run_p50=_nth(row.run, 0),
        run_p95=_nth(row.run, 1),
        run_p99=_nth(row.run, 2),
    )


def _nth(values: list[float | None] | None, index: int) -> float | None:
    value = None if values is None else values[index]
    return None if value is None else round(value, 6)
