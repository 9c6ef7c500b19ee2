"""``Job.abort``: of running, waiting and deferred jobs, where it is allowed; and never of the next job of an id."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from arq.connections import ArqRedis
from arq.jobs import Job

from tests.integration.jobs.conftest import Bench, eventually, named, reached
from tests.integration.jobs.test_jobs import add, enqueued


class Sleeper:
    """A job that sleeps until it is cancelled."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.cancelled = 0

    async def __call__(self, ctx: dict[str, Any]) -> None:
        self.begun.set()
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


def sleeping(sleeper: Sleeper) -> Any:
    async def sleep(ctx: dict[str, Any]) -> None:
        await sleeper(ctx)

    return named(sleep=sleep, add=add)


async def test_a_running_job_is_aborted_soon(redis: ArqRedis, bench: Bench) -> None:
    job, sleeper = await enqueued(redis, "sleep"), Sleeper()
    worker = bench.start(*sleeping(sleeper), allow_abort_jobs=True)
    await reached(sleeper.begun)
    asked_at = time.monotonic()
    assert await job.abort(timeout=10, poll_delay=0.02) is True
    assert time.monotonic() - asked_at < 5
    assert sleeper.cancelled == 1
    assert (worker.jobs_failed, worker.jobs_retried) == (1, 0)
    with pytest.raises(asyncio.CancelledError):
        await job.result()
    assert await redis.zcard("arq:abort") == 0
    assert await redis.zcard("arq:queue") == 0


@pytest.mark.parametrize("options", [{}, {"_defer_by": 100}])
async def test_a_job_that_has_not_begun_is_aborted_without_a_start(
    redis: ArqRedis, bench: Bench, options: dict[str, Any]
) -> None:
    job, sleeper = await enqueued(redis, "sleep", **options), Sleeper()
    aborting = asyncio.create_task(job.abort(timeout=10, poll_delay=0.02))

    async def is_asked() -> bool:
        return bool(await redis.zcard("arq:abort"))

    await eventually(is_asked)
    await bench.burst(*sleeping(sleeper), allow_abort_jobs=True)
    assert await aborting is True
    assert not sleeper.begun.is_set()
    assert await redis.zcard("arq:abort") == 0


async def test_without_leave_no_job_is_aborted(redis: ArqRedis, bench: Bench) -> None:
    job = await enqueued(redis, "add", 1)
    await redis.zadd("arq:abort", {job.job_id: time.time() * 1000})
    await bench.burst(*named(add=add))
    assert await job.result(timeout=5) == 1


async def test_a_request_that_came_too_late_does_not_end_the_next_job_of_that_id(redis: ArqRedis, bench: Bench) -> None:
    first = await enqueued(redis, "add", 1, _job_id="one")
    await bench.burst(*named(add=add), keep_result=0)
    assert await first.abort(timeout=5) is False
    await bench.burst(*named(add=add), allow_abort_jobs=True)
    assert await redis.zcard("arq:abort") == 0, "no job of that id: the request is dropped"
    await redis.zadd("arq:abort", {"one": time.time() * 1000 - 5_000})
    again = await enqueued(redis, "add", 2, _job_id="one")
    await bench.burst(*named(add=add), allow_abort_jobs=True)
    assert await again.result(timeout=5) == 2, "the request is older than the job"


async def test_more_requests_than_a_page_hide_none(redis: ArqRedis, bench: Bench) -> None:
    later = {f"later-{n}": n for n in range(1, 700)}
    async with redis.pipeline(transaction=False) as pipe:
        for job_id in later:
            pipe.set(f"arq:job:{job_id}", b"", ex=60)
        await pipe.execute()
    await redis.zadd("arq:abort", later)
    job, sleeper = await enqueued(redis, "sleep"), Sleeper()
    bench.start(*sleeping(sleeper), allow_abort_jobs=True)
    await reached(sleeper.begun)
    assert await job.abort(timeout=10, poll_delay=0.02) is True
    await redis.expire("arq:abort", 60)


async def test_a_job_that_ends_all_the_same_keeps_its_result(redis: ArqRedis, bench: Bench) -> None:
    begun = asyncio.Event()

    async def stubborn(ctx: dict[str, Any]) -> str:
        begun.set()
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            return "done"
        return "slept"

    job = await enqueued(redis, "stubborn")
    bench.start(*named(stubborn=stubborn), allow_abort_jobs=True)
    await reached(begun)
    assert await job.abort(timeout=10, poll_delay=0.02) is False
    assert await Job(job.job_id, redis).result() == "done"
