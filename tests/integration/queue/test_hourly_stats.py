"""The statistics of each hour: computed once it is over, again while its tasks end, and kept when they are gone."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from shared.db.statements import retention as retention_statements
from shared.domain.schedule import CLEANUP, HOURLY_STATS, BuiltIn
from shared.domain.statistics import HOUR
from shared.domain.task import DEFAULT_TENANT
from shared.queue.hourly_stats import generate_hourly_stats
from shared.queue.retention import Cleanup
from shared.queue.stats import window
from shared.queue.stores import Stores
from tests.support.scenes.making import execute

# Task n of an hour waits n seconds and runs 2 n; of every ten, one failed, one was cancelled and one retried.
SEED = """
    INSERT INTO tasks (id, tenant_id, type, queue, priority, status, attempt, max_attempts, timeout, input,
                       created_at, run_at, started_at, finished_at)
    SELECT CAST(lpad(to_hex(CAST(EXTRACT(EPOCH FROM at) * 1000 AS bigint)), 12, '0') || '70008000'
                || substr(md5(random()::text), 1, 12) AS uuid),
           :tenant_id, 'simple_calculation', 'demo_tasks', 5,
           CASE n % 10 WHEN 1 THEN 'FAILED' WHEN 2 THEN 'CANCELLED' ELSE 'COMPLETED' END,
           CASE n % 10 WHEN 3 THEN 2 ELSE 1 END, 4, 60, '{}', at, at, at + make_interval(secs => n),
           at + make_interval(secs => 3 * n)
    FROM generate_series(1, :count) AS n, LATERAL (SELECT CAST(:hour AS timestamptz) + make_interval(secs => n) AS at) a
"""
ROWS = "SELECT * FROM hourly_stats ORDER BY tenant_id, hour"


async def seed(stores: Stores, hour: datetime, count: int = 100, tenant_id: int = DEFAULT_TENANT) -> None:
    await execute(stores, SEED, hour=hour, count=count, tenant_id=tenant_id)


async def rows(stores: Stores) -> list[dict[str, Any]]:
    async with stores.db.autocommit() as session:
        return [dict(row) for row in (await session.execute(text(ROWS))).mappings()]


async def last_hour(stores: Stores) -> datetime:
    """The hour that was computed last, or would be: over for a minute at least."""
    async with stores.db.autocommit() as session:
        found = await session.execute(text("SELECT date_trunc('hour', now() - interval '1 minute')"))
        over: datetime = found.scalar_one()
    return over - HOUR


async def begin_at(stores: Stores, hour: datetime) -> None:
    await execute(stores, "UPDATE schedules SET last_run = :hour WHERE id = :id", hour=hour, id=HOURLY_STATS.id)


async def enable(stores: Stores, builtin: BuiltIn, *, enabled: bool) -> None:
    await execute(stores, "UPDATE schedules SET enabled = :on WHERE id = :id", on=enabled, id=builtin.id)


async def test_an_hour_is_counted_by_tenant_type_and_queue(stores: Stores) -> None:
    await execute(stores, "INSERT INTO tenants (id, name) VALUES (2, 'other') ON CONFLICT DO NOTHING")
    hour = await last_hour(stores)
    await seed(stores, hour)
    await seed(stores, hour, 10, tenant_id=2)
    assert await generate_hourly_stats(stores) == 1
    ours, theirs = await rows(stores)
    assert (ours["hour"], ours["type"], ours["queue"]) == (hour, "simple_calculation", "demo_tasks")
    assert [ours[name] for name in ("submitted", "completed", "failed", "cancelled", "unfinished", "retried")] == [
        100, 80, 10, 10, 0, 10,
    ]  # fmt: skip
    assert [ours[name] for name in ("wait_p50", "wait_p95", "wait_p99")] == pytest.approx([50.5, 95.05, 99.01])
    assert [ours[name] for name in ("run_p50", "run_p95", "run_p99")] == pytest.approx([101, 190.1, 198.02])
    assert (theirs["tenant_id"], theirs["submitted"]) == (2, 10)


async def test_computing_again_changes_nothing(stores: Stores) -> None:
    hour = await last_hour(stores)
    await seed(stores, hour)
    await generate_hourly_stats(stores)
    first = await rows(stores)
    assert await generate_hourly_stats(stores) == 0, "nothing is due"
    await begin_at(stores, hour)
    await asyncio.gather(*(generate_hourly_stats(stores) for _ in range(4)))
    assert await rows(stores) == first


async def test_missed_hours_are_made_up_for_oldest_first_a_round_at_a_time(stores: Stores) -> None:
    hour = await last_hour(stores)
    for back in (30, 7, 0):
        await seed(stores, hour - back * HOUR, 10)
    await begin_at(stores, hour - 30 * HOUR)
    assert await generate_hourly_stats(stores, round_seconds=0.0) == 1
    assert [row["hour"] for row in await rows(stores)] == [hour - 30 * HOUR]
    assert await generate_hourly_stats(stores) == 30
    assert [row["hour"] for row in await rows(stores)] == [hour - back * HOUR for back in (30, 7, 0)]


async def test_the_first_time_begins_with_the_oldest_task(stores: Stores) -> None:
    hour = await last_hour(stores)
    await seed(stores, hour - 5 * HOUR, 10)
    assert await generate_hourly_stats(stores) == 6


async def test_an_hour_is_computed_again_once_its_last_task_has_ended(stores: Stores) -> None:
    hour = await last_hour(stores)
    await seed(stores, hour - 4 * HOUR, 10)
    unended = "UPDATE tasks SET finished_at = NULL, status = 'PENDING' WHERE status IN ('FAILED', 'CANCELLED')"
    await execute(stores, unended)
    await begin_at(stores, hour - 4 * HOUR)
    await generate_hourly_stats(stores, round_seconds=0.0)
    [row] = await rows(stores)
    assert (row["unfinished"], row["failed"]) == (2, 0)
    await execute(stores, "UPDATE tasks SET finished_at = now(), status = 'FAILED' WHERE status = 'PENDING'")
    await generate_hourly_stats(stores)
    [row] = await rows(stores)
    assert (row["unfinished"], row["failed"]) == (0, 2)


async def test_a_paused_one_computes_nothing_and_makes_up_for_it_later(stores: Stores) -> None:
    hour = await last_hour(stores)
    await seed(stores, hour, 10)
    await enable(stores, HOURLY_STATS, enabled=False)
    assert await generate_hourly_stats(stores) == 0
    await enable(stores, HOURLY_STATS, enabled=True)
    assert await generate_hourly_stats(stores) == 1


async def test_a_paused_cleanup_removes_nothing(stores: Stores) -> None:
    await seed(stores, await last_hour(stores) - timedelta(days=40), 10)
    await enable(stores, CLEANUP, enabled=False)
    assert await Cleanup().run(stores) is None
    await enable(stores, CLEANUP, enabled=True)
    removed = await Cleanup().run(stores)
    assert removed is not None
    assert removed.tasks == 10
    async with stores.db.autocommit() as session:
        last = await session.execute(text("SELECT last_run FROM schedules WHERE id = :id"), {"id": CLEANUP.id})
        assert last.scalar_one() is not None


async def test_what_was_computed_outlives_its_tasks_and_is_read_with_the_others(stores: Stores) -> None:
    hour = await last_hour(stores)
    days = stores.settings.retention_days
    async with stores.db.autocommit() as session:
        kept_since = await retention_statements.cutoff(session, days=days)
    old, young = kept_since - 3 * HOUR, hour - HOUR
    await seed(stores, young, 10)
    await seed(stores, old, 10)
    await execute(stores, RECORDED, hour=old)
    for _ in range(2):
        [found] = await window(stores, DEFAULT_TENANT, old, hour + HOUR)
        assert (found.submitted, found.completed, found.failed) == (20, 16, 2)
        assert found.wait_p50 == pytest.approx(5.5)
        assert found.run_p99 == pytest.approx(19.82)
        await Cleanup().run(stores)
    assert await window(stores, DEFAULT_TENANT, old, old + HOUR) != []
    assert await window(stores, DEFAULT_TENANT, old - HOUR, old) == []
    assert await generate_hourly_stats(stores) > 0
    [found] = await window(stores, DEFAULT_TENANT, old, hour + HOUR)
    assert found.submitted == 20, "an hour that has lost its tasks is not computed again"


RECORDED = """
    INSERT INTO hourly_stats VALUES (1, :hour, 'simple_calculation', 'demo_tasks', 10, 8, 1, 1, 0, 1,
                                     5.5, 9.55, 9.91, 11.0, 19.1, 19.82)
"""
