"""Jobs enqueued by stock arq: results, status, identity, delays, how long results are kept, serialisers."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from arq.connections import ArqRedis
from arq.jobs import DeserializationError, Job, JobStatus, ResultNotFound, SerializationError
from arq.worker import FailedJobs, JobExecutionFailed, func

from tests.integration.jobs.conftest import Bench, eventually, named, reached

UNPICKLED: list[str] = []


async def add(ctx: dict[str, Any], a: int, b: int = 0) -> int:
    return a + b


async def fail(ctx: dict[str, Any]) -> None:
    raise ValueError("no luck")


async def enqueued(redis: ArqRedis, name: str, *args: Any, **kwargs: Any) -> Job:
    job = await redis.enqueue_job(name, *args, **kwargs)
    assert job is not None
    return job


async def test_a_job_of_stock_arq_runs_and_gives_its_result(redis: ArqRedis, bench: Bench) -> None:
    job = await enqueued(redis, "add", 40, b=2)
    assert await job.status() == JobStatus.queued
    worker = await bench.burst(*named(add=add))
    assert await job.result(timeout=5) == 42
    assert await job.status() == JobStatus.complete
    info = await job.result_info()
    assert info is not None
    assert (info.function, info.args, info.kwargs, info.job_try, info.success) == ("add", (40,), {"b": 2}, 1, True)
    assert (info.queue_name, info.job_id) == ("arq:queue", job.job_id)
    assert info.enqueue_time <= info.start_time <= info.finish_time
    assert (worker.jobs_complete, worker.jobs_failed, worker.jobs_retried) == (1, 0, 0)
    assert await redis.zcard("arq:queue") == 0
    assert await redis.exists(f"arq:job:{job.job_id}", f"arq:retry:{job.job_id}", f"arq:in-progress:{job.job_id}") == 0


async def test_what_a_job_raises_is_raised_to_who_asks(redis: ArqRedis, bench: Bench) -> None:
    job = await enqueued(redis, "fail")
    worker = await bench.burst(*named(fail=fail))
    with pytest.raises(ValueError, match="no luck"):
        await job.result(timeout=5)
    assert worker.jobs_failed == 1


async def test_run_check_counts_jobs_and_raises_for_failed_ones(redis: ArqRedis, bench: Bench) -> None:
    await enqueued(redis, "add", 1)
    assert await bench.worker(*named(add=add)).run_check() == 1
    await enqueued(redis, "fail")
    with pytest.raises(FailedJobs, match="no luck"):
        await bench.worker(*named(fail=fail)).run_check()


async def test_a_running_job_is_in_progress_and_its_context_says_which_it_is(redis: ArqRedis, bench: Bench) -> None:
    seen: dict[str, Any] = {}
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def look(ctx: dict[str, Any]) -> None:
        seen.update(ctx)
        begun.set()
        await reached(go_on)

    job = await enqueued(redis, "look")
    info = await job.info()
    assert info is not None
    worker = bench.start(*named(look=look), ctx={"mine": 7})
    await reached(begun)
    assert await job.status() == JobStatus.in_progress
    go_on.set()
    assert await job.result(timeout=10, poll_delay=0.02) is None
    assert (seen["job_id"], seen["job_try"], seen["mine"]) == (job.job_id, 1, 7)
    assert (seen["enqueue_time"], seen["score"]) == (info.enqueue_time, info.score)
    assert seen["redis"] is worker.pool


async def test_an_id_is_taken_while_its_job_waits_and_while_its_result_is_kept(redis: ArqRedis, bench: Bench) -> None:
    job = await enqueued(redis, "add", 1, _job_id="one")
    assert await redis.enqueue_job("add", 2, _job_id="one") is None
    await bench.burst(func(add, name="add", keep_result=0.5))
    assert await redis.enqueue_job("add", 2, _job_id="one") is None
    assert await job.result() == 1

    async def is_free() -> bool:
        return not await redis.exists("arq:result:one")

    await eventually(is_free)
    again = await enqueued(redis, "add", 3, _job_id="one")
    await bench.burst(*named(add=add))
    assert await again.result(timeout=5) == 3


@pytest.mark.parametrize("by", ["delay", "time"])
async def test_a_deferred_job_starts_when_it_is_due(redis: ArqRedis, bench: Bench, by: str) -> None:
    delay = timedelta(seconds=0.8)
    until = datetime.now(UTC) + delay
    job = await enqueued(redis, "add", 1, **({"_defer_by": delay} if by == "delay" else {"_defer_until": until}))
    assert await job.status() == JobStatus.deferred
    await bench.burst(*named(add=add))
    info = await job.result_info()
    assert info is not None
    due = info.enqueue_time + delay if by == "delay" else until
    assert info.start_time >= due - timedelta(milliseconds=5)


async def test_how_long_a_result_is_kept(redis: ArqRedis, bench: Bench) -> None:
    async def kept_ms(name: str) -> int:
        return int(await redis.pttl(f"arq:result:{name}"))

    for name in ("default", "short", "none", "ever"):
        await enqueued(redis, name, 1, _job_id=name)
    functions = [
        func(add, name="default"),
        func(add, name="short", keep_result=5),
        func(add, name="none", keep_result=0),
        func(add, name="ever", keep_result_forever=True),
    ]
    await bench.burst(*functions, keep_result=timedelta(seconds=100))
    assert 90_000 < await kept_ms("default") <= 100_000
    assert 0 < await kept_ms("short") <= 5_000
    assert await kept_ms("none") == -2
    assert await kept_ms("ever") == -1
    with pytest.raises(ResultNotFound):
        await Job("none", redis).result(timeout=5)
    await redis.delete("arq:result:ever")


async def test_a_job_past_its_expiry_fails_without_a_start(redis: ArqRedis, bench: Bench) -> None:
    job = await enqueued(redis, "add", 1, _expires=0.01)

    async def is_gone() -> bool:
        return not await redis.exists(f"arq:job:{job.job_id}")

    await eventually(is_gone)
    worker = await bench.burst(*named(add=add))
    with pytest.raises(JobExecutionFailed, match="job expired"):
        await job.result(timeout=5)
    assert (worker.jobs_complete, worker.jobs_failed) == (0, 1)


async def test_a_function_nobody_registered_fails_its_job(redis: ArqRedis, bench: Bench) -> None:
    job = await enqueued(redis, "unknown")
    await bench.burst(*named(add=add))
    with pytest.raises(JobExecutionFailed, match="function 'unknown' not found"):
        await job.result(timeout=5)


async def test_a_result_that_cannot_be_serialised_fails_its_job_alone(redis: ArqRedis, bench: Bench) -> None:
    async def odd(ctx: dict[str, Any]) -> Any:
        return lambda: None

    bad, good = await enqueued(redis, "odd"), await enqueued(redis, "add", 1)
    await bench.burst(*named(odd=odd, add=add))
    with pytest.raises(SerializationError, match="unable to serialize result"):
        await bad.result(timeout=5)
    assert await good.result(timeout=5) == 1


def to_json(value: Any) -> bytes:
    return json.dumps(value).encode()


async def test_other_serialisers_are_used_for_jobs_and_results(redis: ArqRedis, bench: Bench) -> None:
    redis.job_serializer, redis.job_deserializer = to_json, json.loads
    job = await enqueued(redis, "add", 40, b=2)
    await bench.burst(*named(add=add), job_serializer=to_json, job_deserializer=json.loads)
    assert json.loads(await redis.get(f"arq:result:{job.job_id}"))["r"] == 42
    assert await job.result(timeout=5) == 42


def mark(text: str) -> None:
    UNPICKLED.append(text)


class Evil:
    """Unpickling it leaves a mark."""

    def __reduce__(self) -> tuple[Any, ...]:
        return mark, ("unpickled",)


async def test_a_pickled_payload_is_refused_unread_where_another_serialiser_is_set(
    redis: ArqRedis, bench: Bench
) -> None:
    job = await enqueued(redis, "add", Evil())
    await bench.burst(*named(add=add), job_serializer=to_json, job_deserializer=json.loads)
    assert UNPICKLED == []
    info = await Job(job.job_id, redis, _deserializer=json.loads).result_info()
    assert info is not None
    assert info.success is False


@pytest.mark.parametrize("payload", [b"", b"not a job", b'{"f": 1, "a": 2, "k": 3, "t": "x", "et": []}'])
async def test_a_broken_payload_fails_its_job_and_no_other(redis: ArqRedis, bench: Bench, payload: bytes) -> None:
    redis.job_serializer, redis.job_deserializer = to_json, json.loads
    await redis.set("arq:job:broken", payload, ex=60)
    await redis.zadd("arq:queue", {"broken": 1})
    good = await enqueued(redis, "add", 1)
    worker = await bench.burst(*named(add=add), job_serializer=to_json, job_deserializer=json.loads)
    assert await good.result(timeout=5) == 1
    assert (worker.jobs_complete, worker.jobs_failed) == (1, 1)
    assert await Job("broken", redis).status() == JobStatus.complete


async def test_the_error_of_a_pickled_broken_payload_is_arqs_own(redis: ArqRedis, bench: Bench) -> None:
    await redis.set("arq:job:broken", b"not a pickle", ex=60)
    await redis.zadd("arq:queue", {"broken": 1})
    await bench.burst(*named(add=add))
    with pytest.raises(DeserializationError):
        await Job("broken", redis).result(timeout=5)
