"""Cron jobs: at start-up, at their times, once however many workers run, and not lost with Redis."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from arq.connections import ArqRedis
from arq.cron import cron
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.integration.jobs.conftest import Bench, eventually, named
from tests.integration.jobs.test_jobs import add
from worker.engine.jobs.ticks import Ticks

EVERY_SECOND = set(range(60))


class Ticked:
    """Counts its runs."""

    def __init__(self) -> None:
        self.at: list[float] = []
        self.ids: list[str] = []

    def cron(self, **options: Any) -> Any:
        async def tick(ctx: dict[str, Any]) -> None:
            self.at.append(time.time())
            self.ids.append(ctx["job_id"])

        return cron(tick, name="tick", **options)

    async def runs(self, count: int) -> None:
        async def ran() -> bool:
            return len(self.at) >= count

        await eventually(ran)


async def test_a_cron_job_may_run_at_start_up(redis: ArqRedis, bench: Bench) -> None:
    ticked = Ticked()
    bench.start(cron_jobs=[ticked.cron(month=1, day=1, hour=1, minute=1, run_at_startup=True)])
    await ticked.runs(1)


async def test_each_tick_runs_once_in_its_second_for_two_workers(redis: ArqRedis, bench: Bench) -> None:
    ticked = Ticked()
    for _ in range(2):
        bench.start(cron_jobs=[ticked.cron(second=EVERY_SECOND)], timezone=UTC)
    await ticked.runs(2)
    assert len(set(ticked.ids)) == len(ticked.ids)
    for at, job_id in zip(ticked.at, ticked.ids, strict=True):
        tick = int(job_id.removeprefix("tick:")) / 1_000
        assert round(tick % 1, 3) == 0.123
        assert tick <= at < tick + 5


async def test_a_cron_job_that_is_not_unique_runs_for_each_worker(redis: ArqRedis, bench: Bench) -> None:
    ticked = Ticked()
    for _ in range(2):
        bench.start(cron_jobs=[ticked.cron(month=1, day=1, hour=1, run_at_startup=True, unique=False)])
    await ticked.runs(2)


async def test_a_second_enqueue_of_a_tick_that_has_run_is_dropped(redis: ArqRedis, bench: Bench) -> None:
    ticked, seen = Ticked(), named(add=add)
    bench.start(*seen, cron_jobs=[ticked.cron(month=1, day=1, hour=1, run_at_startup=True)])
    await ticked.runs(1)

    async def is_recorded() -> bool:
        return not await redis.zcard("arq:queue")

    await eventually(is_recorded)
    assert await redis.get(f"arq:in-progress:{ticked.ids[0]}") == b"ended"
    assert await redis.enqueue_job("tick", _job_id=ticked.ids[0]) is not None
    await eventually(is_recorded)
    assert len(ticked.at) == 1
    assert not await redis.exists(f"arq:job:{ticked.ids[0]}")


async def test_a_cron_job_with_an_id_of_its_own_runs_at_each_tick(redis: ArqRedis, bench: Bench) -> None:
    ticked = Ticked()
    bench.start(cron_jobs=[ticked.cron(second=EVERY_SECOND, job_id="mine")])
    await ticked.runs(2)
    assert set(ticked.ids) == {"mine"}


class Away:
    """Redis as a client sees it: away, then back."""

    def __init__(self) -> None:
        self.is_away = True
        self.enqueued: list[datetime | None] = []

    async def enqueue_job(self, name: str, **options: Any) -> None:
        if self.is_away:
            raise RedisConnectionError("away")
        self.enqueued.append(options["_defer_until"])


async def test_a_tick_that_came_during_an_outage_is_run_late_and_further_ones_are_not() -> None:
    job = Ticked().cron(second=EVERY_SECOND)
    ticks, redis, now = Ticks([job], "arq:queue", UTC), Away(), datetime(2030, 1, 1, tzinfo=UTC)
    for second in range(30):
        await ticks.enqueue_due(redis, now + timedelta(seconds=second))  # type: ignore[arg-type]
    assert redis.enqueued == []
    redis.is_away = False
    now += timedelta(seconds=30)
    for look in range(4):
        await ticks.enqueue_due(redis, now + timedelta(milliseconds=look))  # type: ignore[arg-type]
    assert redis.enqueued[0] is None
    assert len(redis.enqueued) <= 3
    assert job.next_run is not None
    assert job.next_run > now


async def test_a_burst_ends_beside_cron_jobs_that_are_not_due(redis: ArqRedis, bench: Bench) -> None:
    assert (await bench.burst(cron_jobs=[Ticked().cron(month=1, day=1, hour=1)])).jobs_complete == 0
