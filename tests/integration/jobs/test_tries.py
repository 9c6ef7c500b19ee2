"""Retries, time limits, cancels: what is run again, when, and what fails."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

import pytest
from arq.connections import ArqRedis
from arq.jobs import Job
from arq.worker import JobExecutionFailed, Retry, RetryJob, func

from tests.integration.jobs.conftest import Bench, named
from tests.integration.jobs.test_jobs import add, enqueued


class Flaky:
    """Raises what it was given, one a try, and then returns the try."""

    def __init__(self, *raised: BaseException) -> None:
        self.raised = list(raised)
        self.tries: list[int] = []
        self.times: list[float] = []

    async def __call__(self, ctx: dict[str, Any]) -> int:
        self.tries.append(ctx["job_try"])
        self.times.append(time.monotonic())
        if self.raised:
            raise self.raised.pop(0)
        return len(self.tries)


def flaky(one: Flaky, **options: Any) -> Any:
    async def run(ctx: dict[str, Any]) -> int:
        return await one(ctx)

    return func(run, name="flaky", **options)


async def test_a_job_may_ask_for_another_try_after_a_while(redis: ArqRedis, bench: Bench) -> None:
    job, one = await enqueued(redis, "flaky"), Flaky(Retry(defer=0.3))
    worker = await bench.burst(flaky(one))
    assert await job.result(timeout=5) == 2
    assert one.tries == [1, 2]
    assert one.times[1] - one.times[0] >= 0.28
    assert (worker.jobs_complete, worker.jobs_retried) == (1, 1)


@pytest.mark.parametrize("error", [Retry(), RetryJob(), asyncio.CancelledError()])
async def test_another_try_comes_at_once_when_no_delay_is_named(
    redis: ArqRedis, bench: Bench, error: BaseException
) -> None:
    job, one = await enqueued(redis, "flaky"), Flaky(error)
    await bench.burst(flaky(one))
    assert await job.result(timeout=5) == 2
    info = await job.result_info()
    assert info is not None
    assert info.job_try == 2


@pytest.mark.parametrize(("worker_tries", "own_tries", "runs"), [(3, None, 3), (5, 2, 2), (5, None, 5)])
async def test_a_job_fails_when_it_has_used_its_tries(
    redis: ArqRedis, bench: Bench, worker_tries: int, own_tries: int | None, runs: int
) -> None:
    job, one = await enqueued(redis, "flaky"), Flaky(*[Retry() for _ in range(10)])
    await bench.burst(flaky(one, max_tries=own_tries), max_tries=worker_tries)
    with pytest.raises(JobExecutionFailed, match=f"max {runs} retries exceeded"):
        await job.result(timeout=5)
    assert one.tries == list(range(1, runs + 1))


async def test_a_producer_may_set_the_try(redis: ArqRedis, bench: Bench) -> None:
    one = Flaky(Retry())
    await enqueued(redis, "flaky", _job_try=3)
    await bench.burst(flaky(one))
    assert one.tries == [3, 4]


@pytest.mark.parametrize("error", [Retry(), asyncio.CancelledError()])
async def test_without_retries_such_a_job_fails(redis: ArqRedis, bench: Bench, error: BaseException) -> None:
    job, one = await enqueued(redis, "flaky"), Flaky(error)
    worker = await bench.burst(flaky(one), retry_jobs=False)
    assert one.tries == [1]
    assert worker.jobs_failed == 1
    with pytest.raises(type(error)):
        await job.result(timeout=5)


@pytest.mark.parametrize("own", [True, False])
async def test_a_job_past_its_time_limit_is_cancelled_and_fails(redis: ArqRedis, bench: Bench, own: bool) -> None:
    ended: list[str] = []

    async def slow(ctx: dict[str, Any]) -> None:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    job = await enqueued(redis, "slow")
    limits = (0.05, 60) if own else (None, 0.05)
    await bench.burst(func(slow, name="slow", timeout=limits[0]), job_timeout=limits[1])
    with pytest.raises(TimeoutError):
        await job.result(timeout=5)
    assert ended == ["cancelled"]


async def test_a_job_that_ignores_its_abort_is_ended_by_its_time_limit(redis: ArqRedis, bench: Bench) -> None:
    ended: list[str] = []

    async def stubborn(ctx: dict[str, Any]) -> None:
        await redis.zadd("arq:abort", {job.job_id: time.time() * 1_000})
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            ended.append("ignored")
        await asyncio.sleep(30)

    job = await enqueued(redis, "stubborn")
    await bench.burst(func(stubborn, name="stubborn", timeout=1), allow_abort_jobs=True)
    assert ended == ["ignored"]
    with pytest.raises(asyncio.CancelledError):
        await job.result(timeout=5)


async def test_a_job_that_exits_fails_and_its_worker_goes_on(redis: ArqRedis, bench: Bench) -> None:
    async def leave(ctx: dict[str, Any]) -> None:
        sys.exit(3)

    job, other = await enqueued(redis, "leave"), await enqueued(redis, "add", 1)
    await bench.burst(*named(leave=leave, add=add))
    with pytest.raises(JobExecutionFailed, match="3"):
        await job.result(timeout=5)
    assert await other.result(timeout=5) == 1


async def test_a_count_of_tries_that_is_no_number_stops_nobody(redis: ArqRedis, bench: Bench) -> None:
    await redis.set("arq:retry:odd", "many", ex=60)
    odd, other = await enqueued(redis, "add", 1, _job_id="odd"), await enqueued(redis, "add", 2)
    await bench.burst(*named(add=add))
    assert (await odd.result(timeout=5), await other.result(timeout=5)) == (1, 2)


async def test_an_id_without_payload_that_has_a_result_is_dropped(redis: ArqRedis, bench: Bench) -> None:
    # arq's Job.abort leaves one when the job ends while it asks.
    job = await enqueued(redis, "add", 5, _job_id="done")
    await bench.burst(*named(add=add))
    await redis.zadd("arq:queue", {"done": 1})
    worker = await bench.burst(*named(add=add))
    assert worker.jobs_failed == 0
    assert await Job("done", redis).result(timeout=5) == await job.result() == 5
